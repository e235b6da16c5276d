//go:build (!amd64 && !arm64) || noasm

package kernel

func fftVec() *fftRoutines { return nil }
