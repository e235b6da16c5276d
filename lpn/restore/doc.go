// Package restore recovers images from measurements. It chooses the prior, its scale
// and weight, the start, the solver and the windows, and runs the solver.
//
// # From a measurement to an image
//
//	Problem -> New -> Plan -> Solve -> Result
//
// A [Problem] is a measurement y = A x + noise: the numbers, the operator, and the noise
// level if it is known. [New] decides everything before any work and returns a [Plan].
// You can print a Plan, store it as JSON and read its fields; Plan.Why has the reason of
// every choice. [Plan.Solve] minimises
//
//	1/2||A x - y||^2 + lambda R(s x)/s^2
//
// and returns the image and the objective, and reports whether the solver converged and
// whether a theorem covers the run.
//
//	plan, err := restore.New(restore.Problem{Y: y}, restore.Options{Choose: priors.For})
//	...
//	fmt.Print(plan)
//	result, err := plan.Solve(ctx, func(p restore.Progress) { fmt.Println(p.K, p.Objective) })
//
// # What is chosen
//
// The prior R was trained at a noise level sigma; at the scale s it is a prior R_s for
// the level sigma/s. The statistical weight of R_s for noise of standard deviation n is
// (s n/sigma)^2. The best choices for each operator were measured. One table, in
// policy.go, has a row for each operator: the level to which the prior is scaled, the
// factor on the statistical weight, and the start. The [Options] can overrule every
// choice.
//
// # JPEG
//
// A JPEG file holds rounded DCT coefficients. That is a measurement (operators.JPEG)
// whose fidelity is the likelihood of the rounding (solvers.Quantised) and not a square.
// [ChooseJPEG] decides from the tables and the noise whether to restore a file in this
// way, to denoise it, or to leave it as it is.
//
// # Doubt
//
// A blur that was given may not be that of the picture. With little noise its residual is
// noise all the same. So the spectrum of the picture is asked first. Where that speaks
// against the blur, or the result is still suspect at a larger strength, the picture is
// left as it is and [Result.Suspect] has the reason. A strength that was asked for
// (Options.Strength) is taken as it is.
//
// Fewer numbers than pixels fit any operator. So the numbers of a random sensing are compared with
// what the operator makes of slow waves and of random pictures, and a result from
// numbers that have nothing in common with them is suspect. The axis of rotation that a
// sinogram shows is taken where the operator says none: see [operators.Spec.SeenAxis].
//
// # Memory
//
// A problem that is too large for the memory is cut into overlapping windows if its
// operator is local; see [Windows]. Denoising in windows gives the same numbers as
// denoising the whole image.
//
// # Measuring
//
// [Simulate] makes an [Example] from a known scene. [Evaluate] restores it and computes
// the error, also for the classical [Baselines]. [Tune] and [TuneBaseline] search for
// the best parameters for a kind of image.
//
// The package opens no files and prints nothing.
package restore
