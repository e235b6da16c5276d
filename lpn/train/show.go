package train

import (
	"math"

	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/operators"
)

// A Shown is a held-back picture as a validation sees it.
type Shown struct {
	Noisy, Denoised operators.Image
	// Clean has no samples where the held-back pictures are noisy.
	Clean operators.Image
}

// Show denoises the first held-back pictures, at most so many, with the noise that Run
// validates with: see Options.Validated.
func (o Options) Show(net *lpn.Network, most int) ([]Shown, error) {
	var out []Shown
	on := binder(net, o.Threads)
	for i, x := range o.Valid[:min(most, len(o.Valid))] {
		b, err := on(x.Shape)
		if err != nil {
			return nil, err
		}
		s := Shown{Noisy: operators.NewImage(x.Shape), Denoised: operators.NewImage(x.Shape)}
		if o.ValidNoise != nil {
			copy(s.Noisy.Pix, x.Pix)
			whiten(s.Denoised.Pix, x.Pix, o.ValidNoise, x.Shape, net.Config().Sigma, o.Seed, math.MaxInt32, i)
			b.Eval(s.Denoised.Pix, s.Denoised.Pix)
		} else {
			s.Clean = x
			AddNoise(s.Noisy.Pix, x.Pix, net.Config().Sigma, o.Seed, math.MaxInt32, i)
			b.Eval(s.Denoised.Pix, s.Noisy.Pix)
		}
		out = append(out, s)
	}
	return out, nil
}
