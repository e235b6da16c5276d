// Package explore evaluates what a learned prior says about pictures. Its results are
// numbers with units and errors; other packages draw them.
//
// # What R says
//
// A learned proximal network f is the proximal operator of one function R (package
// lpn). R/sigma^2, sigma the noise level of the training, is the network's model of the
// negative logarithm of a picture's probability density, up to a constant. Its unit is
// the nat. For the network, a picture with two nats more than another is e^2 times less
// likely. The constant is not known, so only differences mean something, and only for
// pictures of one size and one prior. Divided by the number of samples, values for
// several sizes can share a plot. R is what the network learned and not the truth, and
// it is the log-density only in the limit of proximal matching. In high dimension the
// densest picture is not typical: a flat picture has the least R.
//
// # The errors
//
// R(x) is computed by inverting f. Every value has
//
//   - the residual ||f(y)-x||/||x|| of that inversion, 1e-5 where all is well, and
//   - the gap: the value is a lower bound, and R is above it by at most this
//     much. It is infinite where the modulus of strong convexity of psi is not
//     known.
//
// A point for which no y was found is out of range: its value is NaN in Go, null in
// JSON and an empty cell in CSV.
//
// # The questions
//
//	Value  how likely is this picture?
//	Path   how does that change as it gets noisier, blurrier, another picture?
//	Map    where in the picture is R large?
//	Slice  what is the landscape around it, also with a measurement's fidelity?
//	Curve  is a prior for numbers the one of the data? (Laplace has the truth)
//
// Each takes a Prior: a network, and perhaps a scale or an ensemble:
//
//	net, err := lpn.Open("prior.safetensors")
//	p := explore.Of("mine", net).Ensemble()
//	r, err := explore.Path(ctx, p, picture, explore.Noise{}, []float64{0, 0.05, 0.1}, nil)
//
// and returns plain data: lists with JSON tags, and rows for WriteCSV. After its context
// ends, the work ends with the current evaluation of the network.
package explore
