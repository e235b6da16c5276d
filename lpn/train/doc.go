// Package train trains the networks of package lpn on pictures.
//
// # A training
//
//	images, err := train.OpenImages([]string{"photos"}, train.DataOptions{Patch: 48})
//	images, check, err := images.Check(0)
//	training, held := images.Split(20)
//	preset, err := train.PresetNamed("quick", images.Channels())
//	o := preset.Options()
//	o.Source = &train.Sampler{Images: training, Patch: preset.Patch, Symmetries: true}
//	result, err := train.Run(ctx, o)
//	err = result.Network.Save("mine.safetensors", false)
//
// A step draws a batch x from the [Source], adds noise, y = x + sigma n, and moves the
// weights against the gradient of the loss between f(y) and x by [Adam], then restores
// the constraints of the weights, so that f is an exact proximal operator after every
// step. A penalty keeps pyramids from amplifying strong waves ([Options].GainPenalty).
//
// # Data as they are found
//
// [OpenImages] reads files of many formats with all their pages, and finds out whether
// they are in colour and which range they have. [Images.Check] finds their flaws. The
// prior's file stores [Images.Range] with the rest of a [Record], from which the
// training can be repeated.
//
// You do not need pictures without noise. A [Noisy] source learns from noisy pictures
// with Stein's estimate of the error, [Recorrupted] from pairs made from them,
// [Exposures] from two pictures of each scene.
//
// # Losses and plans
//
// L2 makes f the best denoiser in the mean square (the posterior mean), L1 the
// posterior median; PM, proximal matching
//
//	1 - exp(-||f(y)-x||^2 / gamma^2)
//
// with falling gamma, the maximum a posteriori, so that R/sigma^2 is the negative
// log-prior (Fang, Buchanan & Sulam 2024, theorem 3.2). A [Plan] is a list of stages,
// as data: in Go, JSON, or text such as "l2:20k@6e-3,warmup=0.05,cosine". A [LossFunc]
// is your own loss; a [Source] or a [Pairer] yields your own samples.
//
// # The graph
//
// The network is recorded into a gorgonia graph through the same definition that
// inference uses. This package defines the operations of the graph, on flat vectors in
// one piece of memory, and runs them with the kernels of inference. The derivative of
// each operation consists of such operations. So one symbolic differentiation gives the
// gradient of the loss through f, which is itself a gradient.
//
// # Same result, whatever happens
//
// Samples, noise and fresh probes are functions of the seed and the step. A batch is
// cut into chunks that do not depend on the number of threads, and gradients are added
// in their order. So a training gives the same bits on any number of threads. An
// interrupted training continues from its checkpoint (weights, optimiser, average,
// remembered probes, step) to the same bits as one without a break.
package train
