// Package train trains the networks of package lpn on pictures.
//
// # A training
//
//	images, err := train.OpenImages([]string{"photos"}, train.DataOptions{Channels: 1, Patch: 48})
//	training, held := images.Split(20)
//	preset, err := train.PresetNamed("quick", 1)
//	o := preset.Options()
//	o.Source = &train.Sampler{Images: training, Patch: preset.Patch, Symmetries: true}
//	result, err := train.Run(ctx, o)
//	err = result.Network.Save("mine.safetensors", false)
//
// A step draws a batch x from the [Source], adds noise, y = x + sigma n, and
// moves the weights against the gradient of the loss between f(y) and x by
// [Adam]; then it restores the weights' constraints, so that f is an exact
// proximal operator after every step. Pyramids are also asked not to amplify
// strong waves ([Options].GainPenalty).
//
// # Losses and plans
//
// L2 makes f the best denoiser in the mean square (the posterior mean), L1 the
// posterior median; PM, proximal matching
//
//	1 - exp(-||f(y)-x||^2 / gamma^2)
//
// with falling gamma, the maximum a posteriori, so that R/sigma^2 is the
// negative log-prior (Fang, Buchanan & Sulam 2024, theorem 3.2). A [Plan] is a
// list of stages, as data: in Go, JSON, or text such as
// "l2:20k@6e-3,warmup=0.05,cosine".
//
// # The graph
//
// The network is recorded into a gorgonia graph through the same definition
// that inference uses. The graph's operations are this package's own, on flat
// vectors laid out in one piece of memory, run by the kernels of inference; their
// derivatives are written with each other, so one symbolic differentiation
// gives the gradient of the loss through f, itself a gradient.
//
// # Same result, whatever happens
//
// Samples, noise and probes are functions of the seed and the step. A batch is
// cut into chunks that do not depend on the number of threads, and gradients
// are added in their order. So a training gives the same bits on any number of
// threads, and one that was interrupted continues from its checkpoint
// (weights, optimiser, average, step) to the same bits as one that was not.
package train
