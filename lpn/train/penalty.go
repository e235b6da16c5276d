package train

import (
	"cmp"
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"slices"

	"github.com/lpn-imaging/lpn/internal/checkpoint"
	"github.com/lpn-imaging/lpn/lpn"
)

// ceiling is the gain that a strong wave may have. It is below 1, since pictures
// hold more than waves, and closer to 1 if there is less noise: what is not noise
// should pass. A period beyond 20 pixels, such as the slope of a sky, may have more
// in proportion.
func ceiling(sigma, period float64) float64 {
	return 1 - 0.06*math.Sqrt(sigma)*min(1, 20/period)
}

// In a step the penalty looks at so many fresh waves, fewer in colour, and at so
// many of those that it remembers, and turns the colour of each so many times to
// where its gain is larger. It remembers waves that are near the ceiling, and each
// time tries a neighbour.
const (
	fresh      = 12
	again      = 8
	turns      = 2
	remembered = 128
	between    = 1000 // steps from one survey to the next
	near       = 0.01
	beside     = 0.01 // cycles a pixel
	tie        = 1e-4 // a neighbouring wave must be better by more than rounding
)

// A gainPenalty is the penalty that keeps f from amplifying waves, which a solver
// would paint wherever the measurement does not see them: R has its low places
// among pictures only if it climbs with every wave. It is
//
//	norm * sum over waves of max(0, gain - ceiling)^2
//
// with the gain of a strong wave of any direction, period and profile and, in
// colour, the mixture of planes of the largest gain: see strong. Few waves are
// above, so those found near it are remembered until they are not.
type gainPenalty struct {
	*strong
	norm  float64
	seed  uint64
	step  uint64
	known []probe // the waves near the ceiling or above that were met
	last  []probe // those of the last step
	top   float64 // the largest gain in it
}

// A probe is a wave to look at, in numbers that a checkpoint holds exactly.
type probe struct {
	fy, fx   float32 // cycles a pixel of one that need not repeat
	row, col int     // cycles in so many pixels of one that does
	period   int     // 0 for none
	start    float32
	sharp    float32 // 0 for a sine
	over     float32 // the gain above the ceiling when last looked at
	mix      []complex64
}

func newGainPenalty(cfg lpn.Config, params map[string][]float32, norm float64, seed uint64) *gainPenalty {
	return &gainPenalty{strong: newStrong(cfg, params), norm: norm, seed: seed}
}

// run leaves the gradient of the penalty of the current step in grads and
// returns the penalty. A resumed run looks at the same waves.
func (g *gainPenalty) run() float64 {
	rng := rand.New(rand.NewPCG(g.seed, g.step))
	if g.step%between == 0 {
		g.survey()
	}
	g.clear()
	g.top, g.last = 0, g.last[:0]
	loss := 0.0
	known := g.known
	g.known = nil
	for i, p := range known {
		if (i+int(g.step)*again)%len(known) >= again {
			g.known = append(g.known, p)
			continue
		}
		q := p
		q.start += float32(rng.NormFloat64())
		q.fy += beside * float32(rng.NormFloat64())
		q.fx += beside * float32(rng.NormFloat64())
		q = g.look(q)
		if p = g.look(p); q.over > p.over+tie {
			p = g.look(q)
		}
		loss += g.hold(p)
	}
	for range max(4, fresh/g.cfg.Channels) {
		loss += g.hold(g.look(g.draw(rng)))
	}
	g.forget()
	return loss
}

// forget keeps the waves that are furthest above the ceiling.
func (g *gainPenalty) forget() {
	slices.SortStableFunc(g.known, func(a, b probe) int { return cmp.Compare(b.over, a.over) })
	g.known = g.known[:min(remembered, len(g.known))]
}

// survey remembers those that are near the ceiling or above of waves of all frequencies, so
// close that none is missed by a filter of 14 pixels, and of those that repeat after few
// pixels along rows, columns and diagonals. Fresh waves find such narrow ones late.
func (g *gainPenalty) survey() {
	var all []probe
	for _, f := range lpn.WaveFrequencies() {
		if math.Mod(f[0], 0.5) != 0 || math.Mod(f[1], 0.5) != 0 { // not plus and minus from pixel to pixel
			all = append(all, probe{fy: float32(f[0]), fx: float32(f[1])})
		}
	}
	for period := 3; period <= longest; period++ {
		for _, d := range [...][2]int{{0, 1}, {1, 0}, {1, 1}, {1, -1}} {
			for _, sharp := range [...]float32{0, 6} {
				for _, start := range [...]float32{0.7, 0.7 + math.Pi/2} {
					all = append(all, probe{row: d[0], col: d[1], period: period, start: start, sharp: sharp})
				}
			}
		}
	}
	for _, p := range all {
		best := probe{over: -near}
		for _, mix := range lpn.WaveMixtures(g.cfg.Channels) {
			p.mix = make([]complex64, len(mix))
			for c, m := range mix {
				p.mix[c] = complex(float32(m), 0)
			}
			if q := g.look(p); q.over > best.over {
				best = q
			}
		}
		if best.over > -near {
			g.known = append(g.known, best)
		}
	}
	g.forget()
}

// look returns a wave with the colour of its largest gain and how far that is
// above the ceiling.
func (g *gainPenalty) look(p probe) probe {
	period := g.set(p)
	mix := make([]complex128, len(p.mix))
	for c, m := range p.mix {
		mix[c] = complex128(m)
	}
	mix = g.worst(unit(mix), turns)
	p.mix = make([]complex64, len(mix))
	for c, m := range mix {
		p.mix[c] = complex64(m)
	}
	gain := g.gain(mix)
	g.top = max(g.top, gain)
	p.over = float32(gain - ceiling(g.cfg.Sigma, period))
	return p
}

// hold adds the gradient of the penalty of the wave that was looked at last,
// remembers it if it is near the ceiling, and returns the penalty.
func (g *gainPenalty) hold(p probe) float64 {
	g.last = append(g.last, p)
	if p.over > -near {
		g.known = append(g.known, p)
	}
	if p.over <= 0 {
		return 0
	}
	over := float64(p.over)
	g.slope(2 * g.norm * over)
	return g.norm * over * over
}

// draw draws a wave. Half of them repeat after a few pixels, half of those along
// rows, columns and diagonals and the like.
func (g *gainPenalty) draw(rng *rand.Rand) probe {
	w := lpn.RandomWave(rng, 1)
	p := probe{fy: float32(w.FY), fx: float32(w.FX), start: float32(w.Phase), sharp: float32(w.Sharp)}
	mean := complex64(0)
	for range g.cfg.Channels {
		p.mix = append(p.mix, complex(float32(rng.NormFloat64()), float32(rng.NormFloat64())))
		mean += p.mix[len(p.mix)-1] / complex(float32(g.cfg.Channels), 0)
	}
	if len(p.mix) > 1 && rng.IntN(4) > 0 { // of colour alone, which few turns would not find
		for c := range p.mix {
			p.mix[c] -= mean
		}
	}
	if rng.IntN(2) == 0 {
		return p
	}
	n := 4 + rng.IntN(longest-3)
	d := [...][2]int{{0, 1}, {1, 0}, {1, 1}, {1, -1}, {1, 2}, {2, -1}}[rng.IntN(6)]
	if e := [2]int{rng.IntN(n) - n/2, 1 + rng.IntN(n/2)}; rng.IntN(2) == 0 && distinct(e[0], e[1], n) > 2 {
		d = e
	}
	p.row, p.col, p.period = d[0], d[1], n
	return p
}

// set prepares for a wave and returns its period.
func (g *gainPenalty) set(p probe) float64 {
	n := harmonics
	if p.period > 0 { // those below the half of what it repeats after
		n = min(n, (distinct(p.row, p.col, p.period)+1)/4)
	}
	profile := []float64{1}
	if p.sharp > 0 && n > 1 {
		profile = series(float64(p.sharp), n)
	}
	if p.period > 0 {
		g.repeat(p.row, p.col, p.period, float64(p.start), profile)
	} else {
		g.waves(float64(p.fy), float64(p.fx), profile)
	}
	return 1 / math.Hypot(g.fy, g.fx)
}

// tensor holds the waves remembered, for a checkpoint.
func (g *gainPenalty) tensor() checkpoint.Tensor {
	t := checkpoint.Tensor{Name: keyWaves}
	for _, p := range g.known {
		t.Data = append(t.Data, p.fy, p.fx, float32(p.row), float32(p.col), float32(p.period), p.start, p.sharp, p.over)
		for _, m := range p.mix {
			t.Data = append(t.Data, real(m), imag(m))
		}
	}
	t.Shape = []int{len(t.Data)}
	return t
}

const keyWaves = "growth.waves"

// restore sets the step and the waves to those of a checkpoint.
func (g *gainPenalty) restore(tensors []checkpoint.Tensor, step int) error {
	g.step, g.known = uint64(step), nil
	i := slices.IndexFunc(tensors, func(t checkpoint.Tensor) bool { return t.Name == keyWaves })
	each := 8 + 2*g.cfg.Channels
	if i < 0 || len(tensors[i].Data)%each != 0 {
		return fmt.Errorf("train: no %s in the checkpoint", keyWaves)
	}
	for v := range slices.Chunk(tensors[i].Data, each) {
		p := probe{
			fy: v[0], fx: v[1], row: int(v[2]), col: int(v[3]), period: int(v[4]),
			start: v[5], sharp: v[6], over: v[7],
		}
		for m := range slices.Chunk(v[8:], 2) {
			p.mix = append(p.mix, complex(m[0], m[1]))
		}
		g.known = append(g.known, p)
	}
	return nil
}

// unit scales a vector to length 1.
func unit(m []complex128) []complex128 {
	sum := 0.0
	for _, v := range m {
		sum += real(v)*real(v) + imag(v)*imag(v)
	}
	u := make([]complex128, len(m))
	for i, v := range m {
		u[i] = v / complex(math.Sqrt(sum), 0)
	}
	return u
}

// series returns the first n odd harmonics of a sine squared off, of sum of squares 1.
func series(sharp float64, n int) []float64 {
	const steps = 256
	a, sum := make([]float64, n), 0.0
	for n := range a {
		for i := range steps {
			u := 2 * math.Pi * (float64(i) + 0.5) / steps
			a[n] += math.Tanh(sharp*math.Cos(u)) * math.Cos(odd(n)*u)
		}
		sum += a[n] * a[n]
	}
	for n := range a {
		a[n] /= math.Sqrt(sum)
	}
	return a
}

// cis is exp(i u).
func cis(u float64) complex128 { return cmplx.Rect(1, u) }
