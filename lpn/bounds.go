package lpn

import "fmt"

// recordGrowth writes Q x to r, for the pyramid: the fixed symmetric positive
// semi-definite operator Q = sum_l A_l' D_l A_l + (1-alpha-slack) V'V + alpha I for
// which psi(x) <= 1/2<x,Qx> + a linear function of |x|. Here A_l is the linear
// map from x to h_l and D_l the largest slope of psi in h_l^2/2: 0 where the
// energies have a reach, beyond which they grow linearly. By Toland's duality
// R is bounded below if Q < I.
func (c Config) recordGrowth(r *builder) Value {
	p := c.Pyramid
	x := r.Input()
	if p.Reach > 0 {
		return c.pyramidLowpass(r, x)
	}
	d := r.Dims(x)
	_, h := c.pyramidLinear(r, x)
	gh := make([]Value, len(h))
	var above Value // what the level above adds to each gate's weight
	for l := len(h) - 1; l >= 0; l-- {
		weight := r.Exp(r.Param(fmt.Sprintf("logc.%d", l)))
		if above != nil {
			weight = r.Add(weight, r.Scale(above, 0.25))
		}
		per := p.Group
		if p.Gate == "hard" { // every gate of the group can be open at once
			weight, per = r.Expand(weight, per), 1
		}
		gain := r.Add(r.GateGain(r.Param(fmt.Sprintf("N.%d", l)), weight, per), r.Exp(r.Param(fmt.Sprintf("loga.%d", l))))
		f := r.Dims(h[l])
		one := make([]float32, f.H*f.W)
		for i := range one {
			one[i] = 1
		}
		gh[l] = r.Mul(h[l], r.Outer(one, gain, f))
		if l > 0 {
			above = r.GateGain(r.Param(fmt.Sprintf("T.%d", l)), weight, per)
		}
	}
	return r.Add(c.pyramidLinearT(r, gh, d), c.pyramidLowpass(r, x))
}
