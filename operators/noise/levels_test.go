package noise

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

// drawnPicture is a picture of 8 bits with flat areas, lines, noise here and there and clipped
// samples.
func drawnPicture(c, h, w int, rng *rand.Rand) operators.Image {
	m := operators.NewImage(operators.Shape{C: c, H: h, W: w})
	for k := range c {
		p := m.Plane(k)
		for range 30 {
			y0, x0 := rng.IntN(h), rng.IntN(w)
			v, noisy := rng.IntN(256)-rng.IntN(2)*rng.IntN(256), rng.IntN(4) == 0
			for y := y0; y < min(h, y0+1+rng.IntN(h)); y++ {
				for x := x0; x < min(w, x0+1+w/2); x++ {
					u := v
					if noisy {
						u += rng.IntN(5) - 2
					}
					p[y*w+x] = float32(min(max(u, 0), 255)) / 255
				}
			}
		}
	}
	return m
}

// What is found from the levels is what is found from the samples.
func TestLevels(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 25))
	curve := Curve{[]Line{{X: []float64{0, 0.3, 1}, Y: []float64{0.01, 0.05, 0.02}}}}
	for n := range 60 {
		m := drawnPicture(1+n%3, 1+rng.IntN(40), 1+rng.IntN(200), rng)
		if n == 0 {
			clear(m.Pix)
		}
		l := levelsOf(m)
		if l == nil {
			t.Fatalf("%v: no levels", m.Shape)
		}
		want, got := silence(m, false), l.silence()
		for c, k := range want {
			if k.floor != got[c].floor || k.ceiling != got[c].ceiling || k.words != got[c].words || !slices.Equal(k.bits, got[c].bits) {
				t.Fatalf("%v, plane %d: other samples say nothing, or other ends: %g to %g, want %g to %g", m.Shape, c, got[c].floor, got[c].ceiling, k.floor, k.ceiling)
			}
		}
		if got, want := drawn(m, l), drawn(m, nil); got != want {
			t.Errorf("%v: %g drawn, want %g", m.Shape, got, want)
		}
		if got, want := gap(m, l), gap(m, nil); got != want {
			t.Errorf("%v: gap %g, want %g", m.Shape, got, want)
		}
		if got, want := l.rms(curve), RMS(curve, m.Pix, m.Shape); math.Abs(got-want) > 1e-12 {
			t.Errorf("%v: deviation %g, want %g", m.Shape, got, want)
		}
	}
	m := drawnPicture(2, 20, 30, rng)
	for _, v := range []float32{-1. / 255, 256. / 255, 0.5, math.Nextafter32(3./255, 1), float32(math.NaN()), float32(math.Inf(1)), 1e30} {
		m.Pix[700] = v
		if levelsOf(m) != nil {
			t.Errorf("%g is a level", v)
		}
	}
}

// Bytes are compared each for itself.
func TestEqual(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 8))
	for range 2000 {
		x, y, want := rng.Uint64(), rng.Uint64(), uint64(0)
		for i := range 8 {
			if rng.IntN(2) == 0 {
				y = y&^(0xff<<(8*i)) | x&(0xff<<(8*i))
			}
			if uint8(x>>(8*i)) == uint8(y>>(8*i)) {
				want |= 1 << i
			}
		}
		if got := gathered(equal(x, y)); got != want {
			t.Fatalf("%016x and %016x: equal in %08b, want %08b", x, y, got, want)
		}
	}
}

// Groups have the blocks that sorting all would give them.
func TestByMean(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	for _, c := range []struct {
		name string
		mean func(i int) float32
	}{
		{"any", func(int) float32 { return rng.Float32() }},
		{"of 16 values", func(int) float32 { return float32(rng.IntN(16)) / 16 }},
		{"one value", func(int) float32 { return 0.3 }},
		{"two groups far apart", func(i int) float32 { return float32(i%2)*1e30 + rng.Float32() }},
		{"further than a number", func(i int) float32 { return float32(i%2*2-1) * 3e38 }},
	} {
		blocks := make([]blockEnergy, 10007)
		for i := range blocks {
			blocks[i].mean = c.mean(i)
		}
		const n = 6
		sorted := slices.Clone(blocks)
		slices.SortFunc(sorted, func(a, b blockEnergy) int { return cmp.Compare(a.mean, b.mean) })
		got := byMean(blocks, n)
		for k := range n {
			part := slices.Clone(got[k*len(got)/n : (k+1)*len(got)/n])
			slices.SortFunc(part, func(a, b blockEnergy) int { return cmp.Compare(a.mean, b.mean) })
			if !slices.Equal(part, sorted[k*len(got)/n:(k+1)*len(got)/n]) {
				t.Errorf("means %s: group %d has other blocks", c.name, k)
			}
		}
	}
}
