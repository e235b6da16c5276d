// Command lpn restores images with learned proximal networks, trains such networks
// and explores the priors that they hold.
//
//	lpn restore --operator blur:gaussian,sigma=1.6 --noise 0.01 blurred.png -o sharp.png
//	lpn degrade --operator sr:factor=2 --noise 0.01 photo.png -o small.png
//	lpn train --preset quick --data photos/ -o mine.safetensors
//	lpn eval --operator denoise --noise 25/255 pictures/
//	lpn priors
//
// Run lpn help, or lpn help COMMAND, for the rest. Data goes to stdout and
// everything else to stderr; the exit status is 0 when all is done, 1 when
// the work failed, 2 for bad usage, 3 when some inputs of a batch failed and
// 130 after Ctrl-C.
//
// The command is a shell over the packages operators, solvers, lpn and
// lpn/train: one file a command, in which the flags fill a struct whose run
// method does the work.
package main
