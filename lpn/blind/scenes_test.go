package blind

import (
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/npy"
)

var photographs = flag.String("photographs", "", "folder of photographs for TestFitScenes")

// TestFitScenes makes the table of scenes anew:
//
//	go test ./lpn/blind -run TestFitScenes -photographs ../../../shared/data/bsds500-colour-train
//
// Three squares of 255 pixels of every photograph, and those mirrored and turned, give the mean and the covariance of
// log power. What few frequencies scatter is taken off the covariance, or as much of it as leaves that positive definite. A tenth of it is replaced by a model with few numbers, which keeps
// it away from a singular one:
//
//	slope log w + native w^2 + smooth(log w) + direction(log w, t) + rough,
//
// native being the blur of sharp photographs, smooth and direction processes that are alike in neighbouring cells. The level is left open.
func TestFitScenes(t *testing.T) {
	if *photographs == "" {
		t.Skip("no -photographs")
	}
	files, err := filepath.Glob(filepath.Join(*photographs, "*.jpg"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	const side, open = 255, 4 // variance of the level
	var cells []cell          // of the first square; those of all have the same frequencies
	var rows [][]float64
	for i, f := range files {
		if i%20 == 19 {
			continue
		}
		p, err := imageio.Read(f)
		if err != nil {
			t.Fatal(err)
		}
		m := p.Luma().Image
		all := plane{h: m.H, w: m.W, pix: m.Pix, ok: make([]bool, m.H*m.W)}
		for _, at := range [][2]int{{0, 0}, {m.H - side, m.W - side}, {(m.H - side) / 2, (m.W - side) / 2}} {
			s := measured(all.cut(at[0], at[1], side, side))
			if cells == nil {
				cells = whole(s.cells)
			}
			power := map[int]float64{}
			for _, c := range s.cells {
				power[c.at] = math.Log(max(c.power, 1e-14))
			}
			for turn := range 4 {
				row := make([]float64, len(cells))
				for j, c := range cells {
					row[j] = power[partner(c.at, turn)]
				}
				rows = append(rows, row)
			}
		}
	}
	n := len(cells)
	out := make([]float32, 2*n, 2*n+n*(n+1)/2)
	mean := make([]float64, n)
	for _, r := range rows {
		for i, v := range r {
			mean[i] += v / float64(len(rows))
		}
	}
	plain := make([]float64, n*n)
	for i, a := range cells {
		out[i], out[n+i] = float32(a.at), float32(mean[i])
		for j, b := range cells[:i+1] {
			c := 0.0
			for _, r := range rows {
				c += (r[i] - mean[i]) * (r[j] - mean[j]) / float64(len(rows)-1)
			}
			plain[i*n+j] = 0.9*c + 0.1*model(a, b) + open
		}
	}
	share := 1.0 // of the scatter
	table := slices.Clone(plain)
	for ; ; share -= 0.1 {
		copy(table, plain)
		for i, a := range cells {
			table[i*n+i] -= 0.9 * share * min(windowed/square(a.weight), 0.25)
		}
		if low := slices.Clone(table); leastPivot(low, n) > 0.02 {
			break
		}
	}
	for i := range n {
		for j := range i + 1 {
			out = append(out, float32(table[i*n+j]))
		}
	}
	f, err := os.Create("scenes.npy")
	if err != nil {
		t.Fatal(err)
	}
	if err := npy.WriteFloats(f, []int{len(out)}, out); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d cells of %d spectra, without %.1f of the scatter", n, len(rows), share)
}

// partner is the cell that a mirrored (1), transposed (2) or mirrored and transposed (3) picture has in the place of
// another.
func partner(at, turn int) int {
	s := at / rings
	if turn&2 != 0 {
		s = (11 - s) % sectors
	}
	if turn&1 != 0 {
		s = sectors - 1 - s
	}
	return s*rings + at%rings
}

// whole leaves out the cells without all of their partners.
func whole(cells []cell) (out []cell) {
	there := map[int]bool{}
	for _, c := range cells {
		there[c.at] = true
	}
	for _, c := range cells {
		if there[partner(c.at, 1)] && there[partner(c.at, 2)] && there[partner(c.at, 3)] {
			out = append(out, c)
		}
	}
	return out
}

// model is the covariance of two cells in the model with few numbers.
func model(a, b cell) float64 {
	angle := func(c cell) float64 { return (float64(c.sector)+0.5)/sectors*math.Pi - math.Pi/2 }
	u, v := math.Log(a.w), math.Log(b.w)
	near := math.Exp(-math.Abs(u-v) / 0.77)
	along := math.Exp(-2 * square(math.Sin(angle(a)-angle(b))/0.5))
	c := square(0.33)*u*v + square(0.068*a.w*b.w) + square(0.145)*near + along*(square(0.435)+square(0.4)*near)
	if a.at == b.at {
		c += square(0.058)
	}
	return c
}

// TestScenes: the table holds what is known of photographs: their power falls with the frequency by a power of about 2 to 3,
// and the covariance is positive definite and the same for mirrored scenes.
func TestScenes(t *testing.T) {
	s := scenes()
	n := len(s.mean)
	frequency := func(at int) float64 {
		return math.Log(slowest) + (float64(at%rings)+0.5)/rings*math.Log(fastest/slowest)
	}
	var sx, sy, sxx, sxy float64
	for at, i := range s.place {
		x := frequency(at)
		sx, sy, sxx, sxy = sx+x, sy+s.mean[i], sxx+x*x, sxy+x*s.mean[i]
		for at2, j := range s.place {
			for turn := 1; turn < 4; turn++ {
				k, l := s.place[partner(at, turn)], s.place[partner(at2, turn)]
				if d := s.covariance[i*n+j] - s.covariance[k*n+l]; math.Abs(d) > 0.1 { // what few frequencies scatter differs
					t.Fatalf("cells %d and %d have the covariance %v, their partners by %d one less by %v", at, at2, s.covariance[i*n+j], turn, d)
				}
			}
		}
	}
	if slope := (float64(n)*sxy - sx*sy) / (float64(n)*sxx - sx*sx); slope > -2 || slope < -3 {
		t.Errorf("the power falls like w^%.2f", slope)
	}
	c := append([]float64(nil), s.covariance...)
	if p := leastPivot(c, n); p < 0.01 {
		t.Errorf("the least pivot of the covariance is %v", p)
	}
}

// leastPivot is the least of the squared pivots of a Cholesky factorisation, which overwrites m.
func leastPivot(m []float64, n int) float64 {
	cholesky(m, n)
	least := math.Inf(1)
	for i := range n {
		least = min(least, square(m[i*n+i]))
	}
	return least
}
