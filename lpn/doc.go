// Package lpn holds learned proximal networks: priors of images that are functions
// with values.
//
// # The idea
//
// A network psi that is convex in its input has a gradient f = grad psi that
// is, exactly, a proximal operator (Gribonval & Nikolova 2020),
//
//	f(y) = argmin_x 1/2||x - y||^2 + R(x),
//
// for some function R, in general not convex. Trained to remove noise of standard
// deviation sigma, f is a denoiser, and R/sigma^2 is its model of the negative
// log-probability of a picture (Fang, Buchanan & Sulam, What's in a Prior? Learned
// Proximal Networks for Inverse Problems, ICLR 2024). So the denoiser has an objective,
// and an iteration that uses it has a convergence theorem.
//
// # Opening and evaluating
//
// A [Network] is a [Config] with weights. Bind it to a picture size before you evaluate
// it:
//
//	net, err := lpn.Open("prior.safetensors")
//	b, err := net.On(operators.Shape{C: 1, H: 256, W: 256})
//	psi := b.Eval(f, y)   // f = grad psi(y): y denoised
//	b.Hess(d, y, v)       // d = Hess psi(y) v
//
// A [Bound] is what package solvers calls a Potential. It allocates all memory at the
// first evaluation, uses all cores, and cuts large pictures into tiles without changing
// the numbers. Goroutines may share it.
//
// # The prior
//
// [Prior] is lambda*R for the solvers: its prox, its value at the result of the prox,
// and with [Prior.At] its value anywhere, computed by inverting f. Every value has the
// residual of that inversion and a bound on its error.
//
// # Combining priors
//
// [Scaled], [Mix] and [Ensemble] make exact proximal operators from exact proximal
// operators: another noise level, a convex combination, the mean over the symmetries of
// the square. The average of the outputs on overlapping patches is not a prox.
//
// # Networks
//
// There are two families, both described completely by a Config: the softplus network
// of the paper ([Dense], [MNIST], [Paper128], and [SoftplusAny] for any picture size)
// and the pyramid of gated energies of the built-in priors ([Pyramid], [Natural]). A
// network is written once: evaluation, the Hessian and package train all use that one
// definition.
//
// # What is guaranteed
//
// f is a prox because some weights are not negative; this is checked whenever a network
// is made or read. R is bounded below, which every minimisation needs, if
// [Network.GainBound] being at most 1: the threshold of a pyramid's energies ensures
// it. Arithmetic is in float32: the statements hold up to its rounding.
package lpn
