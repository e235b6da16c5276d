// Package noise describes the noise of a measurement: models to state, sample and
// weight it by, and an estimate for images of which nothing is known.
//
// # Models
//
// A [Model] is the noise of a measurement y around its mean m = A x, of variance
//
//	White     Sigma^2
//	Poisson   Gain (m-Black) + Read^2, counts
//	Camera    A (m-Black) + B^2, photons and read noise in linear light
//	Curve     a function of the brightness, one a channel: developed photographs
//	Map       a number a sample
//
// and [Correlated] is any of them with a [Spectrum]: what demosaicking, resizing
// and denoising leave. [Parse] reads the texts of the command line, [Marshal] and
// [Unmarshal] JSON.
//
//	m, err := noise.Parse("camera:a=0.004,b=0.004", nil)
//	m.Sample(y, mean, shape, rng)
//
// # Whitening
//
// [Freeze] evaluates a model at a smooth estimate of the mean and gives the
// covariance S: S^-1 r, a square root of it, (S^-1 + rho I)^-1 b in closed form
// where there is one, and the likelihood. solvers.Weighted is the fidelity
// 1/2 (Ax-y)'S^-1(Ax-y) made of it.
//
// # Finding it
//
// [Find] estimates the noise of a picture from its flat parts: white or by
// frequency, by brightness, by channel, or counts. It leaves out what says nothing
// (bars, letterboxes, clipped parts, repeated lines), is cautious where texture
// cannot be told from noise, and says in a line what it found. [FindWhite] is the
// estimate of white noise alone, [FindByBrightness] of white noise that depends on the
// brightness; both serve blurred pictures, too.
//
// # Using it
//
// A prior is for white noise of one level. [Treat] changes the scale of brightness
// so that the noise has one level everywhere ([Stabiliser]) and says for which
// level and weight the prior is to be taken, leaving the correlation to the
// fidelity:
//
//	e := noise.Find(y, noise.Hints{})
//	t := e.Treat(y)
//	h := &solvers.Weighted{A: identity, Y: t.Y.Pix, S: noise.Freeze(t.Trusted, t.Y.Pix, y.Shape)}
//	... minimise h + Strength/Level^2 R, R for noise of Level, giving u ...
//	t.Back(x, u)
//
// What a solver certifies holds for the problem on that scale: the prior is R of
// the stabilised picture.
package noise
