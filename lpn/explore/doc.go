// Package explore shows what a learned prior says about pictures: as numbers
// with units and errors, for others to draw.
//
// # What R says
//
// A learned proximal network f is the proximal operator of one function R
// (package lpn). R/sigma^2, sigma the noise level of the training, is what the
// network takes for the negative logarithm of a picture's probability density,
// up to a constant: it is in nats. A picture of two nats more than another is
// e^2 times less likely, to the network. The constant is not known, so only
// differences mean something, and only between pictures of one size and one
// prior; divided by the number of samples, values of several sizes can share a
// plot. R is what the network learned and not the truth, and it is that
// log-density only in the limit of proximal matching. In high dimension the
// densest picture is not a typical one: a flat picture has the least R.
//
// # The errors
//
// R(x) is found by inverting f. Every value comes with
//
//   - the residual ||f(y)-x||/||x|| of that inversion, 1e-5 where all is well, and
//   - the gap: the value is a lower bound, and R is above it by at most this
//     much. It is infinite where the modulus of strong convexity of psi is not
//     known.
//
// A point to which no y was found is out of range: it has no value,
// NaN in Go, null in JSON and an empty cell in CSV.
//
// # The questions
//
//	Value  how likely is this picture?
//	Path   how does that change as it gets noisier, blurrier, another picture?
//	Map    where in the picture is R large?
//	Slice  what is the landscape around it, also with a measurement's fidelity?
//	Curve  is a prior for numbers the one of the data? (Laplace has the truth)
//
// Each takes a Prior, which is a network and how its potential is combined:
//
//	net, err := lpn.Open("prior.safetensors")
//	p := explore.Of("mine", net).Ensemble()
//	r, err := explore.Path(ctx, p, picture, explore.Noise{}, []float64{0, 0.05, 0.1}, nil)
//
// and returns plain data: lists with JSON tags, and rows for WriteCSV. Work
// ends soon after its context does: after the evaluation of the network that is
// under way.
package explore
