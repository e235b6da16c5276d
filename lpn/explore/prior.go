package explore

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
)

// A Prior is the function R of a potential psi, for pictures of any shape. Of makes one
// from a network.
type Prior struct {
	// Name is what results call it.
	Name string
	// Sigma is the noise level of the training, in samples. R/Sigma^2 is in nats.
	Sigma float64
	// Bind returns the potential on pictures of shape s, each evaluation of
	// which uses the given number of cores, 0 for all. The number of cores must
	// not change the bits.
	Bind func(s operators.Shape, threads int) (solvers.Potential, error)
}

// Of is the prior of a network. A gray network evaluates each channel of a colour
// picture separately; R is their sum. The options go to Network.On: lpn.Memory bounds
// what one evaluation takes.
func Of(name string, net *lpn.Network, opts ...lpn.Option) Prior {
	return Prior{
		Name:  name,
		Sigma: net.Config().Sigma,
		Bind: func(s operators.Shape, threads int) (solvers.Potential, error) {
			opts := append(slices.Clone(opts), lpn.Threads(threads))
			if net.Config().Channels == 1 && s.C > 1 {
				opts = append(opts, lpn.Batch(s.C))
				s.C = 1
			}
			return net.On(s, opts...)
		},
	}
}

// Ensemble is the prior of psi averaged over the 8 symmetries of the square
// (lpn.Ensemble).
func (p Prior) Ensemble() Prior {
	one := p.Bind
	p.Bind = func(s operators.Shape, threads int) (solvers.Potential, error) {
		return lpn.Ensemble(func(s operators.Shape) (solvers.Potential, error) { return one(s, threads) }, s)
	}
	return p
}

// Scaled is the prior R(s x)/s^2 (lpn.Scaled), s > 0: above 1 it is a prior for less
// noise. Sigma stays, so that priors of several scales share one unit; the nats of
// noise of deviation Sigma/s are s^2 times those reported.
func (p Prior) Scaled(s float64) Prior {
	one := p.Bind
	p.Bind = func(shape operators.Shape, threads int) (solvers.Potential, error) {
		psi, err := one(shape, threads)
		if err != nil {
			return nil, err
		}
		return lpn.Scaled(psi, s), nil
	}
	return p
}

// on binds the prior to pictures of shape s, for evaluations that end soon
// after ctx does.
func (p Prior) on(ctx context.Context, s operators.Shape, threads int) (lpn.Prior, error) {
	psi, err := p.Bind(s, threads)
	if err != nil {
		return lpn.Prior{}, fmt.Errorf("prior %s: %w", p.Name, err)
	}
	return lpn.Prior{Psi: cancelled{psi, ctx}}, nil
}

// nats is what one nat is in units of R.
func (p Prior) nats() float64 { return p.Sigma * p.Sigma }

// at is the value of a bound prior at x. The error is a RangeError for a point out of
// range.
func (p Prior) at(ctx context.Context, x operators.Image) (lpn.Prior, lpn.PriorValue, error) {
	r, err := p.on(ctx, x.Shape, 0)
	if err != nil {
		return r, lpn.PriorValue{}, err
	}
	v := r.At(x.Pix)
	if err := ctx.Err(); err != nil {
		return r, v, err
	}
	if !v.InRange {
		return r, v, &RangeError{Residual: v.Residual, Calls: v.Calls}
	}
	return r, v, nil
}

// A RangeError says that no y with f(y) = x was found for a picture x.
type RangeError struct {
	// Residual is the least relative residual found, Calls the evaluations of
	// the network that it took.
	Residual float64
	Calls    int
}

func (e *RangeError) Error() string {
	return fmt.Sprintf("out of the network's range: residual %.2g after %d calls", e.Residual, e.Calls)
}

// A cancelled potential is not a number once its context has ended: what
// searches for a minimum of it gives up at the next evaluation.
type cancelled struct {
	solvers.Potential
	ctx context.Context
}

func (p cancelled) Eval(dst, y []float32) float64 {
	if p.ctx.Err() != nil {
		for i := range dst {
			dst[i] = float32(math.NaN())
		}
		return math.NaN()
	}
	return p.Potential.Eval(dst, y)
}

// StrongConvexity is the modulus of the potential, 0 where it does not know it.
func (p cancelled) StrongConvexity() float64 {
	if s, ok := p.Potential.(solvers.StronglyConvex); ok {
		return s.StrongConvexity()
	}
	return 0
}

// A Progress is called with how much of the work is done, by one goroutine at a time.
// It may be nil.
type Progress func(done, total int)

func (p Progress) at(done, total int) {
	if p != nil {
		p(done, total)
	}
}

// A ValueResult is R at one picture.
type ValueResult struct {
	Prior string `json:"prior"`
	// R is the value, in squared samples: a lower bound, by at most Gap. It is NaN, and
	// so are Nats and NatsPerSample, if InRange is false.
	R Number `json:"r"`
	// Nats is R/sigma^2; NatsPerSample divides it by the number of samples.
	Nats          Number `json:"nats"`
	NatsPerSample Number `json:"nats_per_sample"`
	// Residual is ||f(y)-x||, relative to ||x||; Gap is in the unit of R.
	Residual Number `json:"residual"`
	Gap      Number `json:"gap"`
	// Iterations of the inversion, and evaluations of the network.
	Iterations int `json:"iterations"`
	Calls      int `json:"calls"`
	// InRange says that a y with f(y) = x was found.
	InRange bool `json:"in_range"`
}

// Value evaluates R at x, on all cores. It is no error if x is out of the range of f;
// then InRange is false.
func Value(ctx context.Context, p Prior, x operators.Image) (ValueResult, error) {
	r, err := p.on(ctx, x.Shape, 0)
	if err != nil {
		return ValueResult{}, err
	}
	v := r.At(x.Pix)
	if err := ctx.Err(); err != nil {
		return ValueResult{}, err
	}
	return ValueResult{
		Prior: p.Name, R: Number(v.R), Nats: Number(v.R / p.nats()), NatsPerSample: Number(v.R / (p.nats() * float64(x.Len()))),
		Residual: Number(v.Residual), Gap: Number(v.Gap), Iterations: v.Iterations, Calls: v.Calls, InRange: v.InRange,
	}, nil
}
