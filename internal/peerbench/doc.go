// Peerbench measures this module against its peers on the same machine: the
// networks and convolutions against PyTorch, whole denoising against other
// denoisers, the Fourier transform against SciPy, tomography against NumPy, and
// the module against itself on two threads, on lesser instruction sets and on
// large pictures.
//
//	go run ./internal/peerbench            # a table
//	go run ./internal/peerbench --json     # {"rows":[{"name","ours_ms","peer_ms","ratio"}]}
//	go run ./internal/peerbench -only FFT  # rows whose name matches
//	go run ./internal/peerbench -cpu       # the processor's time, not the clock's
//	go run ./internal/peerbench -denoise 256x256 -pictures DIR  # seconds and PSNR of denoisers
//	go run ./internal/peerbench -file 4000x3000 -rounds 3  # lpn restore, file to file, beside its network
//
// ratio is peer_ms/ours_ms: above 1 we are faster. Both sides run the same
// weights on the same data with the same number of threads (one, unless the
// row says otherwise); their results are compared before anything is timed.
// Runs alternate, ours and theirs, so that a busy machine slows both, and the
// medians are reported. A training step is one update of Adam on the squared
// error, drawing the noise included on our side.
//
// PyTorch is given what makes it fast: denormals flushed, inference mode, fused
// Adam, the gradient of psi written out or by autograd, whichever is faster,
// and each network both eager and compiled by torch.compile with its weights
// frozen, in both memory layouts. The faster layout of each is timed and the
// faster of the two is the peer. Where compiling fails the row says why.
//
// The rows of -denoise know the noise, 25/255. Networks of the shapes of DnCNN
// and DRUNet have random weights, so only their time is measured; the PSNR
// beside it is the published one. Strengths of the methods that have one are
// chosen for the best PSNR on a picture of ours. Of pictures with more than
// 256x256 pixels the others get a square of that size, and their time is scaled.
//
// The other side is peer.py and denoise.py, run by a Python with the packages
// of requirements.txt (-python names it):
//
//	python3 -m pip install -r internal/peerbench/requirements.txt
//
// torch.compile also wants a C++ compiler. What is missing is named, its rows
// are left out, and the exit status is 1.
package main
