//go:build (!amd64 && !arm64) || noasm

package kernel

var winoThreeAsm, winoFiveAsm [AVX512 + 1]winoAsm

func winoProduct(_ Level, m, v, u []float32, _, rows, ci, pitch, width, acc, places, mPlane, vPlane, uPlane int) {
	winoProductGo(m, v, u, rows, ci, pitch, width, acc, places, mPlane, vPlane, uPlane)
}

func winoDots(_ Level, m, v, u []float32, rows, k, pitch, places, mPlane, vPlane, uPlane int) {
	winoDotsGo(m, v, u, rows, k, pitch, places, mPlane, vPlane, uPlane)
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
