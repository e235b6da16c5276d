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
// for some function R, in general not convex. Trained to remove noise of
// standard deviation sigma, f is a denoiser and R/sigma^2 what it takes for
// the negative log-probability of a picture (Fang, Buchanan & Sulam, What's in
// a Prior? Learned Proximal Networks for Inverse Problems, ICLR 2024). So a
// denoiser comes with an objective, and an iteration that uses it with a
// theorem.
//
// # Opening and evaluating
//
// A [Network] is a [Config] with weights. It is bound to a picture size, in
// picture units, before it can be evaluated:
//
//	net, err := lpn.Open("prior.safetensors")
//	b, err := net.On(operators.Shape{C: 1, H: 256, W: 256})
//	psi := b.Eval(f, y)   // f = grad psi(y): y denoised
//	b.Hess(d, y, v)       // d = Hess psi(y) v
//
// A [Bound] is what package solvers calls a Potential. It lays out all memory
// at the first evaluation, uses all cores, cuts large pictures into tiles
// without changing the numbers, and may be shared by goroutines.
//
// # The prior
//
// [Prior] is lambda*R as the solvers want it: its prox, its value at what the
// prox returned, and with [Prior.At] its value anywhere, found by inverting f.
// A value always comes with the residual of that inversion and a bound on its
// error.
//
// # Combining priors
//
// [Scaled], [Mix] and [Ensemble] make exact proximal operators of exact
// proximal operators: another noise level, a convex combination, the mean over
// the symmetries of the square. Averaging the outputs on overlapping patches
// is not among them: it is no prox.
//
// # Networks
//
// Two families, both described completely by a Config: the softplus network of
// the paper ([Dense], [MNIST], [Paper128], and [SoftplusAny] for any picture
// size) and the pyramid of gated energies that the shipped priors use
// ([Pyramid], [Natural]). A network is written once: evaluation, the Hessian and
// package train all use that one definition.
//
// # What is guaranteed
//
// That f is a prox follows from the signs of some weights, which are checked
// whenever a network is made or read. That R is bounded below, without which
// no minimisation makes sense, follows from [Network.GainBound] being at
// most 1: the threshold of a pyramid's energies ensures it. Arithmetic is in
// float32: the statements hold up to its rounding.
package lpn
