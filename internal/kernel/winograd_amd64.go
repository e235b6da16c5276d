//go:build amd64 && !noasm

package kernel

var winoThreeAsm = [AVX512 + 1]winoAsm{
	AVX2:   {winoInputAVX2, winoGradientAVX2, winoOutputs{winoOutputAVX2, winoOutputAddAVX2, winoOutputMulAVX2}, winoFilterAVX2, winoWeightsAVX2},
	AVX512: {winoInputAVX512, winoGradientAVX512, winoOutputs{winoOutputAVX512, winoOutputAddAVX512, winoOutputMulAVX512}, winoFilterAVX512, winoWeightsAVX512},
}

var winoFiveAsm = [AVX512 + 1]winoAsm{
	AVX2:   {fiveInputAVX2, fiveGradientAVX2, winoOutputs{fiveOutputAVX2, fiveOutputAddAVX2, fiveOutputMulAVX2}, fiveFilterAVX2, fiveWeightsAVX2},
	AVX512: {fiveInputAVX512, fiveGradientAVX512, winoOutputs{fiveOutputAVX512, fiveOutputAddAVX512, fiveOutputMulAVX512}, fiveFilterAVX512, fiveWeightsAVX512},
}

func strideInput(l Level, adj bool, v, x, tmp []float32, n, pixel, row, plane int) {
	switch {
	case l == Generic:
		strideInputGo(adj, v, x, n, pixel, row, plane)
	case l == AVX512 && adj:
		strideInputTAVX512(&v[0], &x[0], &tmp[0], n, pixel, row, plane)
	case l == AVX512:
		strideInputAVX512(&v[0], &x[0], &tmp[0], n, pixel, row, plane)
	case adj:
		strideInputTAVX2(&v[0], &x[0], &tmp[0], n, pixel, row, plane)
	default:
		strideInputAVX2(&v[0], &x[0], &tmp[0], n, pixel, row, plane)
	}
}

func strideOutput(l Level, adj bool, dst, m, tmp []float32, n, pixel, row, plane int, acc bool) {
	if l == Generic {
		strideOutputGo(adj, dst, m, n, pixel, row, plane, acc)
		return
	}
	f := [...]func(dst, m, tmp *float32, n, pixel, row, plane int){
		strideOutputAVX2, strideOutputAddAVX2, strideOutputTAVX2, strideOutputTAddAVX2,
		strideOutputAVX512, strideOutputAddAVX512, strideOutputTAVX512, strideOutputTAddAVX512,
	}
	i := 0
	if acc {
		i++
	}
	if adj {
		i += 2
	}
	if l == AVX512 {
		i += 4
	}
	f[i](&dst[0], &m[0], &tmp[0], n, pixel, row, plane)
}

func strideFilter(l Level, u, w, tmp []float32, n, tap, plane int) {
	switch l {
	case AVX512:
		strideFilterAVX512(&u[0], &w[0], &tmp[0], n, tap, plane)
	case AVX2:
		strideFilterAVX2(&u[0], &w[0], &tmp[0], n, tap, plane)
	default:
		strideFilterGo(u, w, n, tap, plane)
	}
}

// A winoKernel multiplies blocks of some rows, and of one less, with a panel.
type winoKernel = func(m, a, b *float32, ahead, k, more, few, pitch, acc, places, mPlane, aPlane, bPlane int)

// A winoSumKernel multiplies blocks of some columns, and of one less, with a panel.
type winoSumKernel = func(m, a, b *float32, k, more, few, pitch, acc, panels, mStep, aStep, bStep int)

// winoProduct is winoProductGo. What is ahead floats from u will be needed next.
func winoProduct(l Level, m, v, u []float32, ahead, rows, ci, pitch, width, acc, places, mPlane, vPlane, uPlane int) {
	if l == Generic {
		winoProductGo(m, v, u, rows, ci, pitch, width, acc, places, mPlane, vPlane, uPlane)
		return
	}
	var kernels []winoKernel
	switch {
	case l == AVX512:
		kernels = winoProductAVX512[width/16-1][:]
	case width == 24:
		kernels = winoProduct3AVX2[:]
	default:
		kernels = winoProductAVX2[:]
	}
	r, more, few := even(rows, len(kernels))
	kernels[r-1](&m[0], &v[0], &u[0], ahead, ci, more, few, pitch, acc, places, mPlane, vPlane, uPlane)
}

// winoDots is winoDotsGo; the last vector of v and u is read whole.
func winoDots(l Level, m, v, u []float32, rows, k, pitch, places, mPlane, vPlane, uPlane int) {
	switch l {
	case AVX512:
		winoDotsAVX512(&m[0], &v[0], &u[0], rows, k, pitch, places, mPlane, vPlane, uPlane)
	case AVX2:
		winoDotsAVX2(&m[0], &v[0], &u[0], rows, k, pitch, places, mPlane, vPlane, uPlane)
	default:
		winoDotsGo(m, v, u, rows, k, pitch, places, mPlane, vPlane, uPlane)
	}
}

// winoSum is winoSumGo.
func winoSum(l Level, m, v, g []float32, tiles, rows, pitch, width, acc, panels, mStep, vStep, gStep int) {
	if l == Generic {
		winoSumGo(m, v, g, tiles, rows, pitch, width, acc, panels, mStep, vStep, gStep)
		return
	}
	kernels := &winoSumAVX2
	if l == AVX512 {
		kernels = &winoSumAVX512[width/16-1]
	}
	r, more, few := even(rows, len(kernels))
	kernels[r-1](&m[0], &v[0], &g[0], tiles, more, few, pitch, acc, panels, mStep, vStep, gStep)
}

// The kernels are by the number of vectors, and of rows, less one.
var (
	winoProductAVX512 = [4][6]winoKernel{
		{winoProduct1x1AVX512, winoProduct2x1AVX512, winoProduct3x1AVX512, winoProduct4x1AVX512, winoProduct5x1AVX512, winoProduct6x1AVX512},
		{winoProduct1x2AVX512, winoProduct2x2AVX512, winoProduct3x2AVX512, winoProduct4x2AVX512, winoProduct5x2AVX512, winoProduct6x2AVX512},
		{winoProduct1x3AVX512, winoProduct2x3AVX512, winoProduct3x3AVX512, winoProduct4x3AVX512, winoProduct5x3AVX512, winoProduct6x3AVX512},
		{winoProduct1x4AVX512, winoProduct2x4AVX512, winoProduct3x4AVX512, winoProduct4x4AVX512, winoProduct5x4AVX512, winoProduct6x4AVX512},
	}
	winoProductAVX2 = [6]winoKernel{
		winoProduct1x2AVX2, winoProduct2x2AVX2, winoProduct3x2AVX2, winoProduct4x2AVX2, winoProduct5x2AVX2, winoProduct6x2AVX2,
	}
	winoProduct3AVX2 = [4]winoKernel{winoProduct1x3AVX2, winoProduct2x3AVX2, winoProduct3x3AVX2, winoProduct4x3AVX2}
	winoSumAVX512    = [4][6]winoSumKernel{
		{winoSum1x1AVX512, winoSum2x1AVX512, winoSum3x1AVX512, winoSum4x1AVX512, winoSum5x1AVX512, winoSum6x1AVX512},
		{winoSum1x2AVX512, winoSum2x2AVX512, winoSum3x2AVX512, winoSum4x2AVX512, winoSum5x2AVX512, winoSum6x2AVX512},
		{winoSum1x3AVX512, winoSum2x3AVX512, winoSum3x3AVX512, winoSum4x3AVX512, winoSum5x3AVX512, winoSum6x3AVX512},
		{winoSum1x4AVX512, winoSum2x4AVX512, winoSum3x4AVX512, winoSum4x4AVX512, winoSum5x4AVX512, winoSum6x4AVX512},
	}
	winoSumAVX2 = [6]winoSumKernel{
		winoSum1x2AVX2, winoSum2x2AVX2, winoSum3x2AVX2, winoSum4x2AVX2, winoSum5x2AVX2, winoSum6x2AVX2,
	}
)
