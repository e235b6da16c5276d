package engine

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/internal/network"
)

// pyramid is a program of two grids as networks are made of: down, up, a skip far below,
// planes that are mixed at both ends, and planes apart.
func (s *script) pyramid(rng *rand.Rand) func(r network.Recorder) network.Value {
	same := func(k int) network.Geom { return network.Geom{K: k, Stride: 1, Pad: k / 2} }
	fine := s.weight(rng, 0.1, 5, 5, 12, 16)
	coarse := s.weight(rng, 0.1, 3, 3, 16, 16)
	blur := s.weight(rng, 0.3, 3, 3, 1, 1)
	return func(r network.Recorder) network.Value {
		x := r.Input()
		d := r.Dims(x)
		m := network.Margins{Top: 2, Bottom: 2, Left: 2, Right: 2}
		a := r.SpaceToDepth(r.Interleave(r.PadSym(x, m), 3), 2)
		f := r.Dims(a)
		h := r.Conv(a, r.Param(fine), same(5))
		z := r.Act(h, network.Activation{Kind: network.Softplus, Beta: 1}, 0)
		slope := r.Act(h, network.Activation{Kind: network.Softplus, Beta: 1}, 1)
		r.Energy(1, z, z)
		low := r.Conv(r.AvgPool(z), r.Param(coarse), same(3))
		l := r.Dims(low)
		back := r.AvgPoolT(r.ConvT(r.Conv(low, r.Param(coarse), same(3)), r.Param(coarse), same(3), l.H, l.W))
		up := r.ConvT(r.Mul(slope, r.Add(back, z)), r.Param(fine), same(5), f.H, f.W)
		planes := r.PadSymT(r.Deinterleave(r.DepthToSpace(up, 2)), m)
		apart := r.Conv(x, r.Param(blur), same(3))
		r.Energy(0.5, apart, apart)
		return r.Add(planes, r.ConvT(apart, r.Param(blur), same(3), d.H, d.W))
	}
}

// TestStrips: strips give the numbers of the whole picture. Memory that holds no numbers
// shows that nothing is read which was not computed.
func TestStrips(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const height, width = 208, 40
	s := &script{d: network.Dims{N: 3, H: height, W: width, C: 1}, weights: map[string][]float32{}}
	record := s.pyramid(rng)
	x := random(rng, s.d.Len(), 1)
	plan := func(h int, core *[2]Range) *Plan {
		r := NewRecorder(s.params, s.weights, network.Dims{N: 3, H: h, W: width, C: 1})
		return r.Compile(record(r), Options{Core: core})
	}
	whole := NewSession(1, plan(height, nil))
	copy(whole.Input(0, 0), x)
	whole.Run(0)
	want, psi := whole.Output(0), whole.Psi(0)[0]

	cut := func(rows, above, below int) (plans []*Plan, at []int) {
		for y := 0; y < height; y += rows {
			lo, hi := max(0, y-above), min(height, y+rows+below)
			plans = append(plans, plan(hi-lo, &[2]Range{{y - lo, min(y+rows, height) - lo}, {0, width}}))
			at = append(at, lo)
		}
		return plans, at
	}
	for _, c := range [][2]int{{16, 32}, {48, 32}, {48, 4}, {96, 8}} {
		rows := c[0]
		plans, at := cut(rows, c[1], 32)
		strips := Strips(plans, at)
		if strips == nil {
			t.Fatalf("no strips of %d rows", rows)
		}
		for _, threads := range []int{1, 2} {
			ses := NewSession(threads, plans...)
			for i := range ses.arena {
				ses.arena[i] = float32(math.NaN())
			}
			sum := 0.0
			worst := 0.0
			for i, p := range plans {
				h := p.size.H
				for c := range 3 {
					copy(ses.Input(i, 0)[c*h*width:(c+1)*h*width], x[(c*height+at[i])*width:])
				}
				ses.RunStrip(i, strips[i])
				sum += ses.Psi(i)[0]
				for c := range 3 {
					for y := p.core[0].Lo; y < p.core[0].Hi; y++ {
						got, want := ses.Output(i)[(c*h+y)*width:][:width], want[(c*height+at[i]+y)*width:][:width]
						for k := range got {
							if d := math.Abs(float64(got[k] - want[k])); !(d <= worst) {
								worst = d
							}
						}
					}
				}
			}
			// A sum of 400 terms of order one.
			if !(worst < 2e-5) || !(math.Abs(sum-psi) < 1e-6*math.Abs(psi)) {
				t.Errorf("%d rows, %d threads: f differs by %g, psi is %g instead of %g", rows, threads, worst, sum, psi)
			}
		}
	}
	if plans, at := cut(48, 0, 32); Strips(plans, at) != nil {
		t.Error("strips of windows that begin too late")
	}
}
