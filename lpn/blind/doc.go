// Package blind finds how a picture was blurred, from the picture alone.
//
//	e, err := blind.Find(ctx, y, blind.Options{})
//	fmt.Println(e)              // disk radius 3.02 (2.95 to 3.1), confidence 0.97
//	a := e.Operator(operators.Valid) // what undoes it: lpn/restore
//
// A blurred picture is y = k * x + n, and neither the kernel k nor the scene x is
// known. An [Estimate] says which kind of kernel it is, sharp, [Gaussian], [Disk], [Motion] or
// [Free], with its numbers, their intervals and a confidence.
//
// # The trap
//
// The scene and the kernel that together minimise 1/2||k*x-y||^2 + lambda R(x) are
// the blurred picture and a point (Levin, Weiss, Durand & Freeman, CVPR 2009): a
// blurred picture is smoother than its scene, so nearly every R prefers it. Two ways
// around are taken here. Neither uses the priors of this project, whose R is for
// the restoration, when the kernel is known.
//
// # Families, by the spectrum
//
// What is measured of the power of a scene S in a cell of frequency and direction is
//
//	P = S |K|^2 + noise.
//
// log S is a Gaussian vector over the cells, with the mean and the covariance of training photographs.
// The likelihood of a parameter is the
// probability of the measured spectrum, integrated over all such scenes and
// over the level of the noise, which is known to a few percent only; its maximum is the value,
// and what is within 95% by the likelihood ratio the interval. No single scene is
// chosen, so there is nothing to be trapped in. A disk of 3 pixels or more shows
// by the zeros of its K and is found to a percent in little noise; a Gaussian has none and
// is told from a steep scene only by the way its K falls. See surprise in scene.go.
//
// # Free kernels, by edges and then by variances
//
// At every scale from coarse to fine the scene is replaced by the one with few strong
// edges that explains the picture, by L0 gradients (Xu, Zheng & Jia, CVPR 2013; Anger,
// Facciolo & Delbracio, IPOL 2019), and the kernel follows from gradients alone: min ||k * grad x -
// grad y||^2 + ridge ||k||^2 on the simplex k >= 0, sum k = 1. A picture with few edges
// of one step each is no blurred picture: the start lies beyond the trap. This is done twice, with different ideas
// of how many edges are strong, and the likelier kernel by the spectrum is taken. At the
// last scale the kernel is refined by a variational estimate (Levin, Weiss,
// Durand & Freeman, CVPR 2011; Wipf & Zhang, JMLR 15, 2014): every gradient of
// the scene has a variance gamma of its own, the scene is not chosen but described by its
// posterior mean x and variance z, and the step in k is
//
//	min sum_f ||k*x_f - y_f||^2 + (sum z) ||k||^2.
//
// So the uncertainty of the scene favours wide kernels, where the joint minimum
// favours a point.
//
// Outside the frame nothing is assumed: the scene is half a kernel larger on each side, and
// only samples that were measured are compared. Samples that were clipped, and what
// is not finite, are left out.
//
// # Which kind
//
// Every candidate, no blur and the free kernel too, has that likelihood. The family with the largest is taken
// if it is not much less than that of the free kernel, of which a share counts as error; a picture is sharp where
// no blur at all is about as likely, or the blur is one that sharp photographs have.
//
// # Enlarged pictures
//
// A picture that was enlarged looks blurred, and undoing that would sharpen the interpolation.
// There a sample is a fixed sum of its neighbours that repeats with a period (Popescu & Farid, IEEE
// Trans. Signal Process. 53, 2005); Estimate.Enlarged has the period. A blur less than twice
// as wide is not Sure.
//
// # Large photographs
//
// Three windows with most edges in both directions are looked at, each on its own. The free kernel of one
// of them is taken, the likeliest in all three. Where they contradict each other, the blur varies over the
// picture, and Estimate.Varies says so.
package blind
