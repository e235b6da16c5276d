package kernel

func fftPassVec(p *fftPass, d []float32) bool { return false }
