package train

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/operators"
)

// leastShrink is by how much f must shrink a wave at least, in standard deviations
// of the noise, so that R climbs along it: psi takes more than waves. A wave
// of a period beyond slow pixels may be shrunk less in proportion, as the
// gradients of a sky are.
const (
	leastShrink = 0.1
	slow        = 8
)

// The search for the waves that f amplifies most: every so many steps the best
// few of so many fresh waves climb so many steps, and of these, the other fresh
// ones and those found before the worst are kept.
const (
	searchEvery = 100
	fresh       = 64
	climbs      = 4
	climbSteps  = 6
	kept        = 32
)

// A growth is the penalty that keeps f from amplifying strong textures. Beyond
// the reach of its energies psi grows slowly enough for R to be bounded below
// whatever the weights; the penalty sees to it that R has its low places among
// pictures, and not at stripes of high contrast, which a solver would paint
// wherever the measurement does not see them. Over the regions of two pictures
// of waves g it is a weighted mean of
//
//	frame * ||f(g) - g||^2/||g||^2 + norm * max(0, (<g, f(g)>/||g||^2 - 1) rms(g) + shrink)^2
//
// rms(g) in network units, which are standard deviations of the noise: the
// second term is the error along g by which f shrinks it too little. The first
// picture has a wave in each quarter, the second one all over, of which the
// middle counts. They are near those that a search has found, among all
// directions, amplitudes and colours, to have the largest errors; now and then
// the first picture is fresh waves or white noise. No flat picture is added:
// features do not see it.
type growth struct {
	*graph
	filters     *shared // packed only when they are used
	frame, norm float64
	every       uint64 // steps between two runs, made up for by the weights
	seed        uint64
	step        uint64
	side        int
	cfg         lpn.Config
	params      map[string][]float32
	found       []found
	regions     []region
	top         float64 // the largest gain of the last probes
	err         error
}

// A region is a square of one of the two pictures with a wave.
type region struct {
	picture, row, col, side int
	weight                  float64
	shrink                  float64
}

func newGrowth(cfg lpn.Config, params map[string][]float32, frame, norm float64, seed uint64) (*growth, error) {
	// The probes must hold the widest filters; larger ones are used less often.
	levels := max(2, len(cfg.Pyramid.Levels))
	side := 8 << levels
	s := newShared(params)
	b := newBuilder(cfg, s, lpn.Dims{N: 2 * cfg.Channels, H: side, W: side, C: 1})
	g := &growth{filters: s, every: 1 << (2 * (levels - 2)), seed: seed, side: side, cfg: cfg, params: params}
	g.frame, g.norm = frame*float64(g.every), norm*float64(g.every)
	var err error
	g.graph, err = b.compile(cfg.Record(b), g.eval, g.grad)
	return g, err
}

// shape is that of one picture.
func (g *growth) shape() operators.Shape {
	return operators.Shape{C: g.cfg.Channels, H: g.side, W: g.side}
}

// shrinkOf is by how much a wave must shrink.
func shrinkOf(w lpn.Wave) float64 { return leastShrink * min(1, slow/w.Period()) }

// draw makes the probes of the current step: a resumed run draws the same.
func (g *growth) draw() {
	rng := rand.New(rand.NewPCG(g.seed, g.step))
	n, half := g.shape().Len(), g.side/2
	g.regions = g.regions[:0]
	first, second := g.extra[:n], g.extra[n:2*n]
	kind := rng.IntN(8) // 0: white, 1 and 2: fresh
	wave := make([]float32, n)
	for q := range 4 {
		w := g.near(rng)
		if kind < 3 {
			w = lpn.RandomWave(rng, g.cfg.Channels)
		}
		r := region{0, q / 2 * half, q % 2 * half, half, 1. / 8, shrinkOf(w)}
		w.Fill(wave, g.shape())
		if kind == 0 {
			for i := range wave {
				wave[i] = float32(w.Amplitude / 2 * rng.NormFloat64())
			}
		}
		r.rows(g, func(lo, hi int) { copy(first[lo:hi], wave[lo:hi]) })
		g.regions = append(g.regions, r)
	}
	w := g.near(rng)
	w.Fill(second, g.shape())
	g.regions = append(g.regions, region{1, half / 2, half / 2, half, 1. / 2, shrinkOf(w)})
	kernel.Scale(g.extra[:2*n], g.extra[:2*n], float32(1/g.cfg.Unit))
	copy(g.input, g.extra[:2*n])
}

// A found wave has the error that it had when it was last looked at.
type found struct {
	lpn.Wave
	over float64
}

// near draws a wave near one of those found, by their errors.
func (g *growth) near(rng *rand.Rand) lpn.Wave {
	weight := func(f found) float64 { return max(f.over, 0.01) }
	total := 0.0
	for _, f := range g.found {
		total += weight(f)
	}
	w, at := g.found[0].Wave, total*rng.Float64()
	for _, f := range g.found {
		if at -= weight(f); at <= 0 {
			w = f.Wave
			break
		}
	}
	w.Phase += rng.NormFloat64()
	w.FY += 0.003 * rng.NormFloat64()
	w.FX += 0.003 * rng.NormFloat64()
	w.Amplitude *= math.Exp(0.2 * rng.NormFloat64())
	return w
}

// rows calls do for every run of a region's elements.
func (r region) rows(g *growth, do func(lo, hi int)) {
	for c := range g.cfg.Channels {
		plane := (r.picture*g.cfg.Channels + c) * g.side
		for row := r.row; row < r.row+r.side; row++ {
			at := (plane+row)*g.side + r.col
			do(at, at+r.side)
		}
	}
}

// A seen is what a region of f says: the energy of the wave, its gain, and the
// error beyond what is allowed.
type seen struct{ energy, rms, gain, over float64 }

func (r region) look(g *growth, f, x []float32) seen {
	s := seen{energy: 1e-30}
	along, n := 0.0, 0
	r.rows(g, func(lo, hi int) {
		s.energy += kernel.Dot(x[lo:hi], x[lo:hi])
		along += kernel.Dot(f[lo:hi], x[lo:hi])
		n += hi - lo
	})
	s.rms, s.gain = math.Sqrt(s.energy/float64(n)), along/s.energy
	s.over = max(0, (s.gain-1)*s.rms+r.shrink)
	return s
}

func (g *growth) eval(in [][]float32) float64 {
	f, x := in[0], in[1]
	loss := 0.0
	g.top = 0
	for _, r := range g.regions {
		s := r.look(g, f, x)
		off := 0.0
		r.rows(g, func(lo, hi int) {
			for i := lo; i < hi; i++ {
				d := float64(f[i]) - float64(x[i])
				off += d * d
			}
		})
		g.top = max(g.top, s.gain)
		loss += r.weight * (g.frame*off/s.energy + g.norm*s.over*s.over)
	}
	return loss
}

func (g *growth) grad(dst []float32, in [][]float32) {
	f, x := in[0], in[1]
	clear(dst[:len(f)])
	for _, r := range g.regions {
		s := r.look(g, f, x)
		pull := float32(2 * r.weight * g.frame / s.energy)
		push := float32(2 * r.weight * g.norm * s.over * s.rms / s.energy)
		r.rows(g, func(lo, hi int) {
			kernel.Axpy(dst[lo:hi], pull, f[lo:hi])
			kernel.Axpy(dst[lo:hi], push-pull, x[lo:hi])
		})
	}
}

// search looks at the waves found anew and adds others.
func (g *growth) search() error {
	net, err := lpn.FromParams(g.cfg, g.params)
	if err != nil {
		return err
	}
	b, err := net.On(g.shape(), lpn.Threads(1))
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(g.seed, ^g.step))
	s := lpn.NewWaveSearch(b, g.shape())
	look := func(w lpn.Wave) found {
		gain, _ := s.Gain(w)
		return found{w, (gain-1)*w.Amplitude/g.cfg.Unit + shrinkOf(w)}
	}
	worst := func(all []found) {
		slices.SortStableFunc(all, func(a, b found) int { return cmp.Compare(b.over, a.over) })
	}
	all := make([]found, fresh)
	for i := range all {
		all[i] = look(lpn.RandomWave(rng, g.cfg.Channels))
	}
	worst(all)
	for i := range climbs {
		w, _ := s.Climb(all[i].Wave, climbSteps)
		all[i] = look(w)
	}
	for _, f := range g.found {
		all = append(all, look(f.Wave))
	}
	worst(all)
	g.found = all[:kept]
	return g.restore(g.tensor()) // to the precision of a checkpoint
}

func (g *growth) run() {
	if g.found == nil || g.step%searchEvery == 0 {
		if g.err = g.search(); g.err != nil {
			return
		}
	}
	g.draw()
	g.filters.pack()
	_, g.err = g.graph.run()
}

// due says whether the penalty takes part in the current step.
func (g *growth) due() bool { return g != nil && g.step%g.every == 0 }

// tensor holds the waves found, for a checkpoint.
func (g *growth) tensor() lpn.Tensor {
	t := lpn.Tensor{Name: keyWaves}
	for _, f := range g.found {
		w, board := f.Wave, 0.0
		if w.Board {
			board = 1
		}
		for _, v := range append([]float64{w.FY, w.FX, w.Phase, w.Amplitude, w.Sharp, board, f.over}, w.Mix...) {
			t.Data = append(t.Data, float32(v))
		}
	}
	t.Shape = []int{len(t.Data)}
	return t
}

const keyWaves = "growth.waves"

// restore sets the waves found to those of a checkpoint.
func (g *growth) restore(tensors ...lpn.Tensor) error {
	i := slices.IndexFunc(tensors, func(t lpn.Tensor) bool { return t.Name == keyWaves })
	each := 7 + g.cfg.Channels
	if i < 0 || len(tensors[i].Data)%each != 0 {
		return fmt.Errorf("train: no %s in the checkpoint", keyWaves)
	}
	g.found = nil
	for v := range slices.Chunk(tensors[i].Data, each) {
		w := lpn.Wave{FY: float64(v[0]), FX: float64(v[1]), Phase: float64(v[2]), Amplitude: float64(v[3]), Sharp: float64(v[4]), Board: v[5] != 0}
		for _, m := range v[7:] {
			w.Mix = append(w.Mix, float64(m))
		}
		g.found = append(g.found, found{w, float64(v[6])})
	}
	return nil
}
