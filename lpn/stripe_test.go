package lpn

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

// cosines is the linear map with the symbol
//
//	level + size (cos(2 pi lag fy) + cos(2 pi lag fx)),
//
// on pictures with zeros around them.
type cosines struct {
	s           operators.Shape
	level, size float32
	lag         int
}

func (k cosines) Eval(dst, y []float32) float64 {
	out := make([]float32, len(y))
	for i := range y {
		row, col := i/k.s.W%k.s.H, i%k.s.W
		out[i] = k.level * y[i]
		for _, at := range []struct{ dy, dx int }{{k.lag, 0}, {-k.lag, 0}, {0, k.lag}, {0, -k.lag}} {
			if r, c := row+at.dy, col+at.dx; r >= 0 && r < k.s.H && c >= 0 && c < k.s.W {
				out[i] += k.size / 2 * y[i+at.dy*k.s.W+at.dx]
			}
		}
	}
	psi := dot(out, y) / 2
	copy(dst, out)
	return psi
}

// TestGainOfLinearMap: the gain of a sine is the map's symbol at its
// frequency, and the search finds the frequency of the largest.
func TestGainOfLinearMap(t *testing.T) {
	k := cosines{operators.Shape{C: 3, H: 48, W: 64}, 0.7, -0.2, 2}
	search := NewWaveSearch(k, k.s)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		w := RandomWave(rng, 3)
		w.Sharp, w.Board = 0, false
		want := 0.7 - 0.2*(math.Cos(2*math.Pi*2*w.FY)+math.Cos(2*math.Pi*2*w.FX))
		// The planes' means and, for periods that do not fit, the cut wave at
		// the borders of the middle leave a little.
		if got, _ := search.Gain(w); math.Abs(got-want) > 0.03 {
			t.Errorf("%v: gain %.4f, want %.4f", w, got, want)
		}
	}
	w, gain, _ := search.Worst(rng, 60, 6, 30)
	if math.Abs(gain-1.1) > 2e-3 {
		t.Errorf("the largest gain is 1.1, the search found %.4f, %v", gain, w)
	}
	c := Verify(k, k.s, Probing{})
	if c.OK || c.StripeGain == nil || *c.StripeGain < 1.09 || !strings.Contains(strings.Join(c.Reasons, ";"), "amplifies waves") {
		t.Errorf("a map of gain 1.1 passed: %v", c.Reasons)
	}
}

// TestSearchAgainstGrid: what the search finds is at least what a grid of
// directions, periods, amplitudes, colours and shapes does, for a network whose
// gates are opened wide.
func TestSearchAgainstGrid(t *testing.T) {
	for _, channels := range []int{1, 3} {
		cfg := smallPyramid()
		cfg.Channels = channels
		n := randomNet(t, cfg, 7).gatesScaled(8)
		s := operators.Shape{C: channels, H: 32, W: 32}
		search := NewWaveSearch(bound(t, n, s), s)
		top, at := 0.0, Wave{}
		mixes := [][]float64{{1}}
		if channels == 3 {
			mixes = [][]float64{{1, 1, 1}, {1, 0, -1}, {0, 1, 0}, {1, -1, 0.3}}
		}
		for _, mix := range mixes {
			for _, period := range []float64{2, 3, 5, 8, 12, 20, 32} {
				for angle := range 8 {
					sin, cos := math.Sincos(math.Pi / 8 * float64(angle))
					for _, amplitude := range []float64{0.05, 0.2, 0.5} {
						for shape := range 3 {
							w := Wave{FY: sin / period, FX: cos / period, Phase: 0.4, Amplitude: amplitude, Mix: mix,
								Sharp: 3 * float64(shape%2), Board: shape == 2}.within()
							if g, _ := search.Gain(w); g > top {
								top, at = g, w
							}
						}
					}
				}
			}
		}
		w, gain, _ := search.Worst(rand.New(rand.NewPCG(1, 1)), 100, 6, 20)
		t.Logf("%d planes: grid %.4f, %v; search %.4f, %v", channels, top, at, gain, w)
		if gain < top-1e-3 {
			t.Errorf("%d planes: the search found %.4f (%v), the grid %.4f (%v)", channels, gain, w, top, at)
		}
	}
}

// TestGainSlope: the slope of the gain is that of differences.
func TestGainSlope(t *testing.T) {
	cfg := smallPyramid()
	cfg.Channels = 3
	s := operators.Shape{C: 3, H: 32, W: 36}
	search := NewWaveSearch(bound(t, randomNet(t, cfg, 7).gatesScaled(8), s), s)
	for _, board := range []bool{false, true} {
		w := Wave{FY: 0.11, FX: 0.07, Phase: 0.6, Amplitude: 0.3, Mix: []float64{1, -0.4, 0.2}, Sharp: 1.5, Board: board}
		gain, _ := search.Gain(w)
		by := search.slope(w, gain)
		for j, h := range []float64{1e-4, 1e-4, 1e-2, 1e-2, 1e-2, 1e-2, 1e-2, 1e-2} {
			at := func(k float64) float64 {
				v := w
				v.Mix = append([]float64(nil), w.Mix...)
				*[]*float64{&v.FY, &v.FX, &v.Phase, &v.Sharp, &v.Amplitude, &v.Mix[0], &v.Mix[1], &v.Mix[2]}[j] += k
				g, _ := search.Gain(v)
				return g
			}
			if want := (at(h) - at(-h)) / (2 * h); math.Abs(by[j]-want) > 0.02*math.Abs(want)+1e-3 {
				t.Errorf("board %v, number %d: slope %.5g, by differences %.5g", board, j, by[j], want)
			}
		}
	}
}

// TestRandomWave: waves are within their ranges, and of all the kinds.
func TestRandomWave(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	along, gray, single, boards, n := 0, 0, 0, 0, 4000
	for range n {
		w := RandomWave(rng, 3)
		if p := w.Period(); p > slowest*(1+1e-9) || max(math.Abs(w.FY), math.Abs(w.FX)) > 0.5 || w.Amplitude < LeastAmplitude || w.Amplitude > MostAmplitude || w.Sharp < 0 || w.Sharp > MostSharp {
			t.Fatalf("%+v is out of range", w)
		}
		if math.Abs(w.FY*w.FX) < 1e-9 || math.Abs(math.Abs(w.FY)-math.Abs(w.FX)) < 1e-9 {
			along++
		}
		zeros, ones := 0, 0
		for _, m := range w.Mix {
			if m == 0 {
				zeros++
			}
			if m == 1 {
				ones++
			}
		}
		if ones == 3 {
			gray++
		}
		if zeros == 2 {
			single++
		}
		if w.Board {
			boards++
		}
	}
	for what, c := range map[string][2]int{"along an axis or diagonal": {along, n / 2}, "gray": {gray, n / 6}, "of one plane": {single, n / 6}, "boards": {boards, n / 6}} {
		if math.Abs(float64(c[0]-c[1])) > 0.1*float64(n)/2 {
			t.Errorf("%d of %d waves are %s, want about %d", c[0], n, what, c[1])
		}
	}
	b, err := json.Marshal(RandomWave(rng, 1))
	if err != nil || !strings.Contains(string(b), `"fx"`) {
		t.Errorf("%s, %v", b, err)
	}
}

// A resonance is 0.8 of the identity and a filter, whose output only is passed on
// again. The filter hears a mixture of planes around one frequency.
type resonance struct {
	s      operators.Shape
	fy, fx float64
	mix    []float64
	gain   float64
}

const resonanceSide = 12

// Eval is the linear map 0.8 I + gain G'G, ||G|| about 1: G is a window times a cosine, and
// a window times a sine, of the mixture of planes.
func (r resonance) Eval(dst, y []float32) float64 {
	n, side := r.s.H*r.s.W, resonanceSide
	mixed, back := make([]float64, n), make([]float64, n)
	for i := range mixed {
		for c, m := range r.mix {
			mixed[i] += m * float64(y[c*n+i])
		}
	}
	for quadrature := range 2 {
		tap := make([]float64, side*side)
		norm := 0.0
		for i := range tap {
			v, u := float64(i/side)-float64(side-1)/2, float64(i%side)-float64(side-1)/2
			w := math.Cos(math.Pi*v/float64(side)) * math.Cos(math.Pi*u/float64(side))
			tap[i] = w * math.Cos(2*math.Pi*(r.fy*v+r.fx*u)-math.Pi/2*float64(quadrature))
			norm += w
		}
		for row := range r.s.H - side {
			for col := range r.s.W - side {
				sum := 0.0
				for i, w := range tap {
					sum += w * mixed[(row+i/side)*r.s.W+col+i%side]
				}
				for i, w := range tap {
					back[(row+i/side)*r.s.W+col+i%side] += sum * w / (norm * norm)
				}
			}
		}
	}
	psi := 0.0
	for i, v := range y {
		dst[i] = 0.8*v + float32(r.gain*r.mix[i/n]*back[i%n])
		psi += float64(v) * float64(dst[i]) / 2
	}
	return psi
}

// TestSearchFindsResonance: the search finds a narrow resonance at any frequency and in any
// mixture of planes, whatever its random waves.
func TestSearchFindsResonance(t *testing.T) {
	s := operators.Shape{C: 3, H: 32, W: 32}
	for k, r := range []resonance{
		{s, 0.41, 0.07, []float64{0.7, 0.05, -0.71}, 2},
		{s, -0.18, 0.37, []float64{0.577, 0.577, 0.577}, 2},
		{s, 0, 0.25, []float64{-0.47, 0.8, -0.37}, 2},
	} {
		search := NewWaveSearch(r, s)
		want, _ := search.Gain(Wave{FY: r.fy, FX: r.fx, Amplitude: 0.4, Mix: r.mix})
		w, gain, _ := search.Worst(rand.New(rand.NewPCG(uint64(k), 3)), 0, 6, 10)
		if want < 1.05 || gain < want-0.01 {
			t.Errorf("a resonance of gain %.4f: found %.4f, %v", want, gain, w)
		}
	}
}
