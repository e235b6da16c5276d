//go:build !noasm

package kernel

// fftVec returns the routines of the instruction set in use, nil for Go.
func fftVec() *fftRoutines {
	if level == Generic {
		return nil
	}
	return &fftNEON
}

var fftNEON = fftRoutines{
	first:     [9]func(*float32, int){2: fftPass2FirstNEON, 3: fftPass3FirstNEON, 4: fftPass4FirstNEON, 5: fftPass5FirstNEON, 8: fftPass8FirstNEON},
	pass:      [9]func(*float32, *float32, int, int){2: fftPass2NEON, 3: fftPass3NEON, 4: fftPass4NEON, 5: fftPass5NEON, 8: fftPass8NEON},
	passOdd:   fftPassOddNEON,
	loadCols:  fftLoadColsNEON,
	storeCols: fftStoreColsNEON,
	loadReal:  fftLoadRealNEON,
	loadRows:  fftLoadRowsNEON,
	storeRows: fftStoreRowsNEON,
	split:     fftSplitNEON,
	join:      fftJoinNEON,
	twist:     fftTwistNEON,
	dctSplit:  fftDCTSplitNEON,
	dctJoin:   fftDCTJoinNEON,
	mul:       fftMulNEON,
	mulConj:   fftMulConjNEON,
	width:     4,
}
