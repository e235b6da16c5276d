package noise

import (
	"flag"
	"image"
	_ "image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

var bsdEvery = flag.Int("bsd68-every", 12, "test the noise estimate on every n-th picture of BSD68")

// rendered is a picture with a ramp, edges and stripes.
func rendered(h, w int) operators.Image {
	m := operators.NewImage(operators.Shape{C: 1, H: h, W: w})
	for y := range h {
		for x := range w {
			v := 0.2 + 0.4*float64(x)/float64(w)
			if math.Hypot(float64(y)-0.6*float64(h), float64(x)-0.4*float64(w)) < 0.25*float64(h) {
				v += 0.3
			}
			if y < h/4 {
				v += 0.1 * math.Sin(float64(x)*0.9+float64(y)*0.5)
			}
			m.Pix[y*w+x] = float32(v)
		}
	}
	return m
}

func TestFindWhiteRendered(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, sigma := range []float64{2, 10, 50} {
		for _, size := range [][2]int{{100, 130}, {300, 280}, {620, 500}} {
			m := rendered(size[0], size[1])
			operators.AddGaussian(m.Pix, m.Pix, sigma/255, rng)
			if e := FindWhite(m)*255/sigma - 1; math.Abs(e) > 0.1 {
				t.Errorf("%dx%d, sigma %g: off by %+.1f%%", size[0], size[1], sigma, 100*e)
			}
		}
	}
}

// Channels are pooled.
func TestFindWhiteColour(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	m := operators.NewImage(operators.Shape{C: 3, H: 100, W: 90})
	for c := range 3 {
		copy(m.Plane(c), rendered(100, 90).Pix)
	}
	operators.AddGaussian(m.Pix, m.Pix, 0.05, rng)
	if e := FindWhite(m)/0.05 - 1; math.Abs(e) > 0.1 {
		t.Errorf("off by %+.1f%%", 100*e)
	}
}

// A night picture stored in 8 bits: half of the sky is clipped to 0 and holds
// half of the noise, which must not count.
func TestFindWhiteClipped(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	m := rendered(200, 300)
	for i := range m.Pix[:100*300] {
		m.Pix[i] = 0
	}
	operators.AddGaussian(m.Pix, m.Pix, 0.05, rng)
	for i, v := range m.Pix {
		m.Pix[i] = float32(math.Round(255*float64(min(1, max(0, v)))) / 255)
	}
	if e := FindWhite(m)/0.05 - 1; math.Abs(e) > 0.1 {
		t.Errorf("off by %+.1f%%", 100*e)
	}
}

func TestFindWhiteEdges(t *testing.T) {
	nan := float32(math.NaN())
	flat := operators.NewImage(operators.Shape{C: 1, H: 20, W: 20})
	for i := range flat.Pix {
		flat.Pix[i] = 0.3
	}
	spoilt := rendered(60, 60)
	operators.AddGaussian(spoilt.Pix, spoilt.Pix, 0.1, rand.New(rand.NewPCG(7, 8)))
	spoilt.Pix[77], spoilt.Pix[2000] = nan, float32(math.Inf(1))
	line := operators.NewImage(operators.Shape{C: 1, H: 1, W: 20000})
	operators.AddGaussian(line.Pix, line.Pix, 0.1, rand.New(rand.NewPCG(9, 10)))
	all := operators.NewImage(operators.Shape{C: 1, H: 9, W: 9})
	for i := range all.Pix {
		all.Pix[i] = nan
	}
	for name, c := range map[string]struct {
		m      operators.Image
		lo, hi float64
	}{
		"flat":       {flat, 0, 1e-6},
		"black":      {operators.NewImage(operators.Shape{C: 1, H: 30, W: 30}), 0, 0},
		"one pixel":  {operators.NewImage(operators.Shape{C: 1, H: 1, W: 1}), 0, 0},
		"spoilt":     {spoilt, 0.085, 0.115},
		"one line":   {line, 0.095, 0.105},
		"no numbers": {all, 0, 0},
	} {
		if s := FindWhite(c.m); !(s >= c.lo && s <= c.hi) {
			t.Errorf("%s: %g, want %g to %g", name, s, c.lo, c.hi)
		}
	}
}

// Photographs, sharp and blurred. -v prints the statistics; -bsd68-every=1 takes
// all of them.
func TestFindWhiteBSD68(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds long")
	}
	files, err := filepath.Glob("../../../shared/data/bsd68/*.png")
	if err != nil || len(files) == 0 {
		t.Skip("BSD68 is not in ../shared/data/bsd68")
	}
	rng := rand.New(rand.NewPCG(1, 2))
	count, bad := 0, 0
	for _, text := range []string{"denoise", "blur:gaussian,sigma=1.6"} {
		spec, err := operators.ParseSpec(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, sigma := range []float64{2, 5, 50} {
			n, out, sum, worst := 0, 0, 0.0, 0.0
			for i := 0; i < len(files); i += *bsdEvery {
				m := readGray(t, files[i])
				a, err := spec.WithBoundary(operators.Valid).Build(m.Shape)
				if err != nil {
					t.Fatal(err)
				}
				y := operators.NewImage(a.Codomain())
				a.Apply(y.Pix, m.Pix)
				operators.AddGaussian(y.Pix, y.Pix, sigma/255, rng)
				e := FindWhite(y)*255/sigma - 1
				n, sum, worst = n+1, sum+math.Abs(e), max(worst, math.Abs(e))
				if math.Abs(e) > 0.1 {
					out++
				}
			}
			t.Logf("%s, sigma %g/255: mean error %.1f%%, largest %.1f%%, %d of %d beyond 10%%", text, sigma, 100*sum/float64(n), 100*worst, out, n)
			if sum/float64(n) > 0.06 {
				t.Errorf("%s, sigma %g/255: mean error %.1f%%", text, sigma, 100*sum/float64(n))
			}
			count, bad = count+n, bad+out
		}
	}
	if 20*bad > count {
		t.Errorf("%d of %d estimates are off by more than 10%%", bad, count)
	}
}

func readGray(t *testing.T, path string) operators.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p, _, err := image.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	b := p.Bounds()
	m := operators.NewImage(operators.Shape{C: 1, H: b.Dy(), W: b.Dx()})
	for y := range m.H {
		for x := range m.W {
			v, _, _, _ := p.At(b.Min.X+x, b.Min.Y+y).RGBA()
			m.Pix[y*m.W+x] = float32(v) / 65535
		}
	}
	return m
}

func BenchmarkFindWhite(b *testing.B) {
	m := rendered(512, 512)
	operators.AddGaussian(m.Pix, m.Pix, 0.1, rand.New(rand.NewPCG(1, 1)))
	for b.Loop() {
		FindWhite(m)
	}
}

// clippedVariance against sums over drawn samples.
func TestClippedVariance(t *testing.T) {
	const n = 400_000
	rng := rand.New(rand.NewPCG(8, 9))
	z := make([]float64, n)
	for i := range z {
		z[i] = rng.NormFloat64()
	}
	for _, censored := range []bool{false, true} {
		for _, a := range []float64{-0.5, 0, 1, 2, 3} {
			sum, square, count := 0.0, 0.0, 0.0
			for _, v := range z {
				if v < -a {
					if !censored {
						continue
					}
					v = -a
				}
				sum, square, count = sum+v, square+v*v, count+1
			}
			mean := sum / count
			want := square/count - mean*mean
			if got := clippedVariance(a+mean, censored); math.Abs(got/want-1) > 0.03 {
				t.Errorf("censored %v, end at %g: %.4f, want %.4f", censored, -a, got, want)
			}
		}
	}
}

// Strong noise of which much is clipped, in a dark and in a bright image of 8 bits.
func TestFindWhiteStrong(t *testing.T) {
	for k, mean := range []float32{0.25, 0.35, 0.75} {
		m := rendered(200, 220)
		for i := range m.Pix {
			m.Pix[i] = mean + 0.2*(m.Pix[i]-0.5)
		}
		operators.AddGaussian(m.Pix, m.Pix, 50./255, rand.New(rand.NewPCG(uint64(k), 10)))
		eightBits(m)
		if e := FindWhite(m)*255/50 - 1; math.Abs(e) > 0.07 {
			t.Errorf("around %g: off by %+.1f%%", mean, 100*e)
		}
	}
}

// A picture of which one pixel in a hundred is known says nothing of its noise: the few
// neighbours differ by the picture itself.
func TestFindWhiteFewNeighbours(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 3))
	m := operators.NewImage(operators.Shape{C: 1, H: 100, W: 100})
	pairs := 0
	for i := range m.Pix {
		m.Pix[i] = float32(math.NaN())
		if rng.Float64() < 0.01 {
			m.Pix[i] = rng.Float32()
			if i > 0 && m.Pix[i-1] == m.Pix[i-1] {
				pairs++
			}
		}
	}
	m.Pix[5050], m.Pix[5051] = 0.2, 0.7 // at least two
	if got := FindWhite(m); got != 0 {
		t.Errorf("noise %g from %d pairs, want 0", got, pairs+1)
	}
}
