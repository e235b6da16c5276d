// Package operators describes what a camera did to a scene: linear maps A with their
// adjoints, the added noise, and the texts that name both.
//
// # A measurement
//
// The scene is an Image x, planar float32 samples in [0,1]; the camera gives
//
//	y = A x + noise.
//
// A is a Linear: two methods that write A x and A'y into memory of the caller, and the
// shapes of x and y. Operators are immutable, so goroutines may share one.
//
//	k, err := operators.GaussianKernel(1.6, 0)
//	...
//	a, err := operators.NewBlur(x.Shape, k, operators.Symmetric)
//	...
//	y := operators.NewImage(a.Codomain())
//	a.Apply(y.Pix, x.Pix)
//	operators.AddGaussian(y.Pix, y.Pix, 0.01, rng)
//
// # What there is
//
//	NewIdentity      plain denoising
//	NewBlur          convolution; five ways to continue the image beyond its
//	                 frame, and Valid, which assumes nothing about it
//	NewDownsample    blur, then every n-th sample: super-resolution
//	NewMask          missing pixels: inpainting
//	NewCirculant, NewHadamard, NewPartialFourier, NewGaussianSensing
//	                 compressed sensing
//	NewMRI           rows of k-space, complex numbers as pairs of channels
//	NewSENSE         k-space of own masks and coils, whose maps EstimateCoils finds
//	NewTomograph     tomography of any Geometry; NewRadon of equal angles
//	Weigh            any of them with a precision for each number
//	Compose, Stack, Scaled
//	                 one operator after another, several measurements of one
//	                 scene, multiples
//
// Each constructor checks its arguments and returns an error of one line. An operator
// panics on slices of the wrong length, because that is a mistake in the program and
// not in the data.
//
// # What solvers ask for
//
// Gradient steps need ||A||: Norm returns the value of a Normer, and runs the power
// method for other operators. Splitting methods need (A'A + rho I)^-1 b: a NormalSolver
// has it in closed form, by Fourier or cosine transforms or sample by sample. For the
// others CG runs conjugate gradients from a starting point.
//
// # Specs
//
// ParseSpec reads the specs of the command line, such as
// "blur:motion,length=15,angle=30" or "sr:factor=2". A Spec also holds the boundary,
// and the kernel or mask from a file after Spec.Load has read it. Without an operator
// it tells the scene behind a measurement, the part of it that is in the image, and the
// support. Spec.Build makes the operator.
//
//	spec, err := operators.ParseSpec("blur:kernel=psf.npy")
//	...
//	spec, err = spec.WithBoundary(operators.Valid).Load(open)
//	...
//	scene, err := spec.Scene(y.Shape)
//	...
//	a, err := spec.Build(scene)
//
// ReadMeasurement and WriteMeasurement store a measurement together with its spec in a
// NumPy .npz file.
//
// # An operator of your own
//
// Write the four methods of Linear, then check them with operatortest.TestLinear: the
// adjoint against the operator, linearity, sharing between goroutines, and the norm and
// the closed form if there are any.
package operators
