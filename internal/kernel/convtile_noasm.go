//go:build !amd64 || noasm

package kernel

func (e *engine) one(t *tile, p, nv int) { tileGo(t, p, nv) }

func fiveOutput(_ Level, dst, m []float32, n, pixel, row, plane int, acc bool) {
	fiveOutputGo(dst, m, n, pixel, row, plane, acc)
}

func fiveGradient(_ Level, v, g []float32, n, pixel, row, plane int) {
	fiveGradientGo(v, g, n, pixel, row, plane)
}

func fiveWeights(_ Level, dw, m, _ []float32, n, tap, plane int) {
	fiveWeightsGo(dw, m, n, tap, plane)
}

func fiveFilter(_ Level, u, w, _ []float32, n, tap, plane int) { fiveFilterGo(u, w, n, tap, plane) }
