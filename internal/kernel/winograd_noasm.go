//go:build !amd64 || noasm

package kernel

func winoInput(_ Level, v, x, _ []float32, n, pixel, row, plane int) {
	winoInputGo(v, x, n, pixel, row, plane)
}

func winoOutput(_ Level, dst, m, _ []float32, n, pixel, row, plane int, acc bool) {
	winoOutputGo(dst, m, n, pixel, row, plane, acc)
}

func winoFilter(_ Level, u, w, _ []float32, n, tap, plane int) {
	winoFilterGo(u, w, n, tap, plane)
}

func winoGradient(_ Level, v, g, _ []float32, n, pixel, row, plane int) {
	winoGradientGo(v, g, n, pixel, row, plane)
}

func winoWeights(_ Level, w, m, _ []float32, n, tap, plane int) {
	winoWeightsGo(w, m, n, tap, plane)
}

func fiveInput(_ Level, v, x, _ []float32, n, pixel, row, plane int) {
	fiveInputGo(v, x, n, pixel, row, plane)
}

func fiveOutput(_ Level, dst, m, _ []float32, n, pixel, row, plane int, acc bool) {
	fiveOutputGo(dst, m, n, pixel, row, plane, acc)
}

func fiveFilter(_ Level, u, w, _ []float32, n, tap, plane int) {
	fiveFilterGo(u, w, n, tap, plane)
}

func fiveGradient(_ Level, v, g, _ []float32, n, pixel, row, plane int) {
	fiveGradientGo(v, g, n, pixel, row, plane)
}

func fiveWeights(_ Level, w, m, _ []float32, n, tap, plane int) {
	fiveWeightsGo(w, m, n, tap, plane)
}

func winoProduct(_ Level, m, v, u []float32, _, rows, ci, pitch, width, acc, places, mPlane, vPlane, uPlane int) {
	winoProductGo(m, v, u, rows, ci, pitch, width, acc, places, mPlane, vPlane, uPlane)
}

func winoSum(_ Level, m, v, g []float32, tiles, rows, pitch, width, acc, panels, mStep, vStep, gStep int) {
	winoSumGo(m, v, g, tiles, rows, pitch, width, acc, panels, mStep, vStep, gStep)
}

func strideInput(_ Level, adj bool, v, x, _ []float32, n, pixel, row, plane int) {
	strideInputGo(adj, v, x, n, pixel, row, plane)
}

func strideOutput(_ Level, adj bool, dst, m, _ []float32, n, pixel, row, plane int, acc bool) {
	strideOutputGo(adj, dst, m, n, pixel, row, plane, acc)
}

func strideFilter(_ Level, u, w, _ []float32, n, tap, plane int) {
	strideFilterGo(u, w, n, tap, plane)
}
