package train

import (
	"math"
	"math/rand/v2"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/internal/network"
	"github.com/lpn-imaging/lpn/lpn"
)

// ceiling is the gain that a strong wave may have; below 1, since psi takes
// more than waves.
const ceiling = 0.93

// A growth is the penalty that keeps f from amplifying strong textures. Beyond
// the reach of its energies psi grows slowly enough for R to be bounded below
// whatever the weights; the penalty sees to it that R has its low places among
// pictures, and not at stripes of high contrast, which a solver would paint
// wherever the measurement does not see them:
//
//	frame * mean((f(t r)/t - r)^2) + norm * mean over quarters of max(0, <r, f(t r)>/(t ||r||^2) - ceiling)^2
//
// for fresh pictures r every step, white or of a wave in each quarter, and t an
// amplitude from an eighth of the range of pictures to all of it, below the reach.
type growth struct {
	*graph
	filters     *shared // packed only when they are used
	frame, norm float64
	every       uint64 // steps between two runs, made up for by the weights
	seed        uint64
	step        uint64
	side, size  int
	span        float64 // the range of pictures, in network units
	t           float64
	top         float64 // the largest gain of the last probes
	err         error
}

func newGrowth(cfg lpn.Config, params map[string][]float32, frame, norm float64, seed uint64) (*growth, error) {
	// The probes must hold the widest filters; larger ones are used less often.
	levels := max(2, len(cfg.Pyramid.Levels))
	side := 8 << levels
	s := newShared(params)
	b := newBuilder(cfg, s, network.Dims{N: 2 * cfg.Channels, H: side, W: side, C: 1})
	g := &growth{filters: s, every: 1 << (2 * (levels - 2)), seed: seed, side: side, size: 2 * cfg.Channels * side * side, span: 1 / cfg.Unit}
	g.frame, g.norm = frame*float64(g.every), norm*float64(g.every)
	var err error
	g.graph, err = b.compile(cfg.Definition().Record(b), g.eval, g.grad)
	return g, err
}

// draw makes the probes of the current step: a resumed run draws the same.
// Waves differ by colour plane, too.
func (g *growth) draw() {
	rng := rand.New(rand.NewPCG(g.seed, g.step))
	g.t = g.span * math.Exp2(-3*rng.Float64())
	r := g.extra[:g.size]
	if rng.IntN(4) == 0 {
		for i := range r {
			r[i] = float32(rng.NormFloat64())
		}
	} else {
		g.waves(r, rng)
	}
	kernel.Scale(g.input[:g.size], r, float32(g.t))
}

// A wave is sin(y*row + x*col + phase), or that squared off.
type wave struct {
	y, x, phase float64
	square      bool
}

// newWave draws one. Half of them run along rows or columns, where pictures
// have their edges and networks their largest gains, some at the shortest
// period there is.
func newWave(rng *rand.Rand) wave {
	w := wave{math.Pi * (2*rng.Float64() - 1), math.Pi * rng.Float64(), 2 * math.Pi * rng.Float64(), rng.IntN(2) == 0}
	kind := rng.IntN(16)
	if kind < 8 {
		w.y = 0
		if kind < 2 {
			w.x = math.Pi
		}
		if kind%2 == 0 {
			w.y, w.x = w.x, 0
		}
	}
	return w
}

func (w wave) at(row, col int) float64 {
	v := math.Sin(w.y*float64(row) + w.x*float64(col) + w.phase)
	if w.square {
		return math.Tanh(3 * v)
	}
	return math.Sqrt2 * v
}

// waves fills each quarter of each plane with a wave, of mean square 1 or so.
// The planes of a colour picture share it and have amplitudes of their own.
func (g *growth) waves(x []float32, rng *rand.Rand) {
	plane := g.side * g.side
	colours := len(x) / plane / 2
	for picture := range 2 {
		var waves [4]wave
		for i := range waves {
			waves[i] = newWave(rng)
		}
		for c := range colours {
			amplitude := 1.0
			if colours > 1 && picture == 1 { // one picture gray, one coloured
				amplitude = rng.NormFloat64()
			}
			p := x[(picture*colours+c)*plane:][:plane]
			for i := range p {
				row, col := i/g.side, i%g.side
				p[i] = float32(amplitude * waves[2*(2*row/g.side)+2*col/g.side].at(row, col))
			}
		}
	}
}

// quarters calls do for each quarter of the two pictures: with its energy, its
// gain, and a function that calls for every run of its elements.
func (g *growth) quarters(f, r []float32, do func(energy, gain float64, runs func(func(lo, hi int)))) {
	half, picture := g.side/2, len(r)/2
	for q := range 8 {
		runs := func(run func(lo, hi int)) {
			for p := q / 4 * picture; p < (q/4+1)*picture; p += g.side * g.side {
				for row := q % 4 / 2 * half; row < (q%4/2+1)*half; row++ {
					at := p + row*g.side + q%2*half
					run(at, at+half)
				}
			}
		}
		energy, along := 1e-30, 0.0
		runs(func(lo, hi int) {
			energy += kernel.Dot(r[lo:hi], r[lo:hi])
			along += kernel.Dot(f[lo:hi], r[lo:hi])
		})
		do(energy, along/(g.t*energy), runs)
	}
}

func (g *growth) eval(in [][]float32) float64 {
	f, r := in[0], in[1]
	sum := 0.0
	for i := range f {
		d := float64(f[i])/g.t - float64(r[i])
		sum += d * d
	}
	loss := g.frame * sum / float64(len(f))
	g.top = 0
	g.quarters(f, r, func(_, gain float64, _ func(func(lo, hi int))) {
		g.top = max(g.top, gain)
		over := max(0, gain-ceiling)
		loss += g.norm * over * over / 8
	})
	return loss
}

func (g *growth) grad(dst []float32, in [][]float32) {
	f, r := in[0], in[1]
	k := float32(1 / g.t)
	c := float32(2 * g.frame / (g.t * float64(len(f))))
	for i := range f {
		dst[i] = c * (k*f[i] - r[i])
	}
	g.quarters(f, r, func(energy, gain float64, runs func(func(lo, hi int))) {
		if over := gain - ceiling; over > 0 {
			slope := float32(2 * g.norm * over / (8 * g.t * energy))
			runs(func(lo, hi int) { kernel.Axpy(dst[lo:hi], slope, r[lo:hi]) })
		}
	})
}

func (g *growth) run() {
	g.draw()
	g.filters.pack()
	_, g.err = g.graph.run()
}

// due says whether the penalty takes part in the current step.
func (g *growth) due() bool { return g != nil && g.step%g.every == 0 }
