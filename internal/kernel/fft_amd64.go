//go:build !noasm

package kernel

//go:generate go -C _gen run ./fft -out ../fft_amd64.s -stubs ../fft_stubs_amd64.go -pkg kernel

// fftVec returns the routines of the instruction set in use, nil for Go.
func fftVec() *fftRoutines {
	switch level {
	case AVX512:
		return &fftAVX512
	case AVX2:
		return &fftAVX2
	}
	return nil
}

var fftAVX512 = fftRoutines{
	first:     [9]func(*float32, int){2: fftPass2First_avx512, 3: fftPass3First_avx512, 4: fftPass4First_avx512, 5: fftPass5First_avx512, 8: fftPass8First_avx512},
	pass:      [9]func(*float32, *float32, int, int){2: fftPass2_avx512, 3: fftPass3_avx512, 4: fftPass4_avx512, 5: fftPass5_avx512, 8: fftPass8_avx512},
	passOdd:   fftPassOdd_avx512,
	loadCols:  fftLoadCols_avx512,
	storeCols: fftStoreCols_avx512,
	loadReal:  fftLoadReal_avx512,
	loadRows:  fftLoadRows_avx512,
	storeRows: fftStoreRows_avx512,
	split:     fftSplit_avx512,
	join:      fftJoin_avx512,
	twist:     fftTwist_avx512,
	dctSplit:  fftDCTSplit_avx512,
	dctJoin:   fftDCTJoin_avx512,
	mul:       fftMul_avx512,
	mulConj:   fftMulConj_avx512,
	width:     8,
}

var fftAVX2 = fftRoutines{
	first:     [9]func(*float32, int){2: fftPass2First_avx2, 3: fftPass3First_avx2, 4: fftPass4First_avx2, 5: fftPass5First_avx2, 8: fftPass8First_avx2},
	pass:      [9]func(*float32, *float32, int, int){2: fftPass2_avx2, 3: fftPass3_avx2, 4: fftPass4_avx2, 5: fftPass5_avx2, 8: fftPass8_avx2},
	passOdd:   fftPassOdd_avx2,
	loadCols:  fftLoadCols_avx2,
	storeCols: fftStoreCols_avx2,
	loadReal:  fftLoadReal_avx2,
	loadRows:  fftLoadRows_avx2,
	storeRows: fftStoreRows_avx2,
	split:     fftSplit_avx2,
	join:      fftJoin_avx2,
	twist:     fftTwist_avx2,
	dctSplit:  fftDCTSplit_avx2,
	dctJoin:   fftDCTJoin_avx2,
	mul:       fftMul_avx2,
	mulConj:   fftMulConj_avx2,
	width:     4,
}
