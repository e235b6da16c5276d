// Peerbench measures this module against its peers on the same machine: the
// networks and convolutions against PyTorch, the Fourier transform against
// SciPy, tomography against NumPy, and the module against itself on two threads, on lesser instruction
// sets and on large pictures.
//
//	go run ./internal/peerbench            # a table
//	go run ./internal/peerbench --json     # {"rows":[{"name","ours_ms","peer_ms","ratio"}]}
//	go run ./internal/peerbench -only FFT  # rows whose name matches
//	go run ./internal/peerbench -cpu       # the processor's time, not the clock's
//	go run ./internal/peerbench -file 4000x3000 -rounds 3  # lpn restore, file to file, beside its network
//
// ratio is peer_ms/ours_ms: above 1 we are faster. Both sides run the same
// weights on the same data with the same number of threads (one, unless the
// row says otherwise); their results are compared before anything is timed.
// Runs alternate, ours and theirs, so that a busy machine slows both, and the
// medians are reported. PyTorch flushes denormals, as our kernels do, and keeps
// its default memory layout: channels_last is slower there for these networks.
// A training step is one update of Adam on the squared error, drawing the noise
// included on our side.
//
// The other side is peer.py, run by a Python that has PyTorch and SciPy
// (Debian: apt-get install python3-torch python3-scipy). What is missing is
// named, its rows are left out, and the exit status is 1.
package main
