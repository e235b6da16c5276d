// Package restore recovers images from measurements: it chooses the prior, its
// scale and weight, the start, the solver and the windows, and carries the choice
// out.
//
// # From a measurement to an image
//
//	Problem -> New -> Plan -> Solve -> Result
//
// A [Problem] is a measurement y = A x + noise: the numbers, the operator, the
// noise level where it is known. [New] decides everything before any work and
// returns a [Plan], which can be printed, stored as JSON and inspected field by
// field; Plan.Why has the reason of every choice. [Plan.Solve] minimises
//
//	1/2||A x - y||^2 + lambda R(s x)/s^2
//
// and reports what came out: the image, the objective, whether the solver
// converged and whether a theorem covers the run.
//
//	plan, err := restore.New(restore.Problem{Y: y}, restore.Options{Choose: priors.For})
//	...
//	fmt.Print(plan)
//	result, err := plan.Solve(ctx, func(p restore.Progress) { fmt.Println(p.K, p.Objective) })
//
// # What is chosen
//
// The prior R was trained at a noise level sigma; taken at the scale s it is one
// for the level sigma/s. The statistical weight of R_s for noise of standard
// deviation n is (s n/sigma)^2. What suits an operator best was measured: one
// table in policy.go has a row for each operator, with the level that the prior is
// scaled to, the factor on the statistical weight, and the start. Every choice
// can be overruled in the [Options].
//
// # JPEG
//
// A JPEG file keeps rounded DCT coefficients: a measurement (operators.JPEG) whose
// fidelity is the likelihood of the rounding (solvers.Quantised), not a square. [ChooseJPEG] decides by the tables and
// the noise whether a file is best restored that way, denoised, or left alone.
//
// # Memory
//
// A problem that is too large for its memory is cut into overlapping windows where
// the operator is local; see [Windows]. Denoising in windows gives the numbers of
// the whole image.
//
// # Measuring
//
// [Simulate] makes an [Example] of a known scene, [Evaluate] restores it and
// compares, also with the classical [Baselines]; [Tune] and [TuneBaseline] search
// for the parameters that suit a kind of image.
//
// The package opens no files and prints nothing.
package restore
