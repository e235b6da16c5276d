//go:build !amd64 || noasm

package kernel

func fftVec() *fftRoutines { return nil }
