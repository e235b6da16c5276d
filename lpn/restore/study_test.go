package restore

import (
	"bytes"
	"encoding/csv"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestBootstrap: the interval is that of the normal law, mean -+ 1.96 s/sqrt(n), for many
// samples of one, and covers the truth about as often as it says.
func TestBootstrap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const n, truth, dev = 200, 0.3, 0.8
	draw := func(n int) []float64 {
		d := make([]float64, n)
		for i := range d {
			d[i] = truth + dev*rng.NormFloat64()
		}
		return d
	}
	d := draw(n)
	var m, s float64
	for _, v := range d {
		m += v / n
	}
	for _, v := range d {
		s += (v - m) * (v - m) / n
	}
	half := 1.96 * math.Sqrt(s/n)
	got := bootstrap(d, rng)
	if math.Abs(got.Mean-m) > 1e-12 || math.Abs(got.Low-(m-half)) > 0.08*half || math.Abs(got.High-(m+half)) > 0.08*half {
		t.Errorf("%+v, want %.4f -+ %.4f", got, m, half)
	}
	covered := 0
	for range 60 {
		if i := bootstrap(draw(40), rng); i.Low <= truth && truth <= i.High {
			covered++
		}
	}
	if covered < 50 {
		t.Errorf("%d of 60 intervals cover the truth", covered)
	}
	if one := bootstrap([]float64{2}, rng); one.Mean != 2 || !math.IsNaN(one.Low) {
		t.Errorf("of one picture: %+v", one)
	}
}

func TestStudyTables(t *testing.T) {
	s := NewStudy([]string{"denoise, noise 0.1", "blur_x, noise 0.1"}, []string{"a", "b|c"}, []string{"p", "q", "r"})
	for c := range 2 {
		for m := range 2 {
			for k := range 3 {
				s.Quality[c][m][k] = Quality{30 + float64(m) + float64(k) + 5*float64(c), 0.9, 0.95}
			}
		}
	}
	s.Quality[1][1][2] = Quality{math.NaN(), math.NaN(), math.NaN()} // failed
	rng := func() *rand.Rand { return rand.New(rand.NewPCG(1, 1)) }
	if q := s.Mean(0, 1); q.PSNR != 32 {
		t.Errorf("mean %v, want 32", q.PSNR)
	}
	if d := s.Difference(0, 0, 1, rng()); d.Mean != 1 || d.Low != 1 || d.High != 1 {
		t.Errorf("a difference of exactly 1 on every picture: %+v", d)
	}
	if d := s.Difference(1, 0, 1, rng()); d.Mean != 1 {
		t.Errorf("a failed picture counts: %+v", d)
	}
	for format, want := range map[string]string{
		"txt": "+1.00 to +1.00", "md": `| denoise, noise 0.1 | b\|c | 32.00 | 0.9000 | 0.9500 | +1.00 | +1.00 to +1.00 |`,
		"tex": `blur\_x, noise 0.1 & a & $36.00$ & $0.9000$ & $0.9500$`, "csv": "denoise",
	} {
		var b bytes.Buffer
		if err := s.Write(&b, format, rng()); err != nil || !strings.Contains(b.String(), want) {
			t.Errorf("%s: %v, no %q in\n%s", format, err, want, b.String())
		}
		if format == "csv" {
			if rows, err := csv.NewReader(&b).ReadAll(); err != nil || len(rows) != 13 {
				t.Errorf("%d rows, want 13: %v", len(rows), err)
			}
		}
	}
	if err := s.Write(&bytes.Buffer{}, "pdf", rng()); err == nil {
		t.Error("pdf was written")
	}
}
