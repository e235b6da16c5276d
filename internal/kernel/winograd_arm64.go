//go:build !noasm

package kernel

var winoThreeAsm = [AVX512 + 1]winoAsm{
	NEON: {winoInputNEON, winoGradientNEON, winoOutputs{winoOutputNEON, winoOutputAddNEON, winoOutputMulNEON}, winoFilterNEON, winoWeightsNEON},
}

var winoFiveAsm = [AVX512 + 1]winoAsm{
	NEON: {fiveInputNEON, fiveGradientNEON, winoOutputs{fiveOutputNEON, fiveOutputAddNEON, fiveOutputMulNEON}, fiveFilterNEON, fiveWeightsNEON},
}

func strideInput(l Level, adj bool, v, x, tmp []float32, n, pixel, row, plane int) {
	switch {
	case l == Generic:
		strideInputGo(adj, v, x, n, pixel, row, plane)
	case adj:
		strideInputTNEON(&v[0], &x[0], &tmp[0], n, pixel, row, plane)
	default:
		strideInputNEON(&v[0], &x[0], &tmp[0], n, pixel, row, plane)
	}
}

func strideOutput(l Level, adj bool, dst, m, tmp []float32, n, pixel, row, plane int, acc bool) {
	switch {
	case l == Generic:
		strideOutputGo(adj, dst, m, n, pixel, row, plane, acc)
	case adj && acc:
		strideOutputTAddNEON(&dst[0], &m[0], &tmp[0], n, pixel, row, plane)
	case adj:
		strideOutputTNEON(&dst[0], &m[0], &tmp[0], n, pixel, row, plane)
	case acc:
		strideOutputAddNEON(&dst[0], &m[0], &tmp[0], n, pixel, row, plane)
	default:
		strideOutputNEON(&dst[0], &m[0], &tmp[0], n, pixel, row, plane)
	}
}

func strideFilter(l Level, u, w, tmp []float32, n, tap, plane int) {
	if l == Generic {
		strideFilterGo(u, w, n, tap, plane)
		return
	}
	strideFilterNEON(&u[0], &w[0], &tmp[0], n, tap, plane)
}

// winoProduct is winoProductGo.
func winoProduct(l Level, m, v, u []float32, _, rows, ci, pitch, width, acc, places, mPlane, vPlane, uPlane int) {
	if l == Generic {
		winoProductGo(m, v, u, rows, ci, pitch, width, acc, places, mPlane, vPlane, uPlane)
		return
	}
	kernels := winoProductNEON[:]
	if width == 24 {
		kernels = winoProduct6NEON[:]
	}
	r, more, few := even(rows, len(kernels))
	kernels[r-1](&m[0], &v[0], &u[0], ci, more, few, pitch, acc, places, mPlane, vPlane, uPlane)
}

// winoDots is winoDotsGo.
func winoDots(l Level, m, v, u []float32, rows, k, pitch, places, mPlane, vPlane, uPlane int) {
	if l == Generic {
		winoDotsGo(m, v, u, rows, k, pitch, places, mPlane, vPlane, uPlane)
		return
	}
	winoDotsNEON(&m[0], &v[0], &u[0], rows, k, pitch, places, mPlane, vPlane, uPlane)
}

// winoSum is winoSumGo.
func winoSum(l Level, m, v, g []float32, tiles, rows, pitch, width, acc, panels, mStep, vStep, gStep int) {
	if l == Generic {
		winoSumGo(m, v, g, tiles, rows, pitch, width, acc, panels, mStep, vStep, gStep)
		return
	}
	r, more, few := even(rows, len(winoSumNEON))
	winoSumNEON[r-1](&m[0], &v[0], &g[0], tiles, more, few, pitch, acc, panels, mStep, vStep, gStep)
}

// The kernels are by the number of rows, less one: products with panels of 16 and
// of 24 columns, and sums.
var (
	winoProductNEON = [...]func(m, a, b *float32, k, more, few, pitch, acc, places, mPlane, aPlane, bPlane int){
		winoProduct1x4NEON, winoProduct2x4NEON, winoProduct3x4NEON, winoProduct4x4NEON, winoProduct5x4NEON, winoProduct6x4NEON,
	}
	winoProduct6NEON = [...]func(m, a, b *float32, k, more, few, pitch, acc, places, mPlane, aPlane, bPlane int){
		winoProduct1x6NEON, winoProduct2x6NEON, winoProduct3x6NEON, winoProduct4x6NEON,
	}
	winoSumNEON = [...]func(m, a, b *float32, k, more, few, pitch, acc, panels, mStep, aStep, bStep int){
		winoSum1x4NEON, winoSum2x4NEON, winoSum3x4NEON, winoSum4x4NEON, winoSum5x4NEON, winoSum6x4NEON,
	}
)
