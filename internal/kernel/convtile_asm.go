//go:build amd64 && !noasm

package kernel

func (e *engine) one(t *tile, p, nv int) {
	switch e.level {
	case AVX512:
		tileavx512(t, p, nv)
	case AVX2:
		tileavx2(t, p, nv)
	default:
		tileGo(t, p, nv)
	}
}

func fiveOutput(l Level, dst, m []float32, n, pixel, row, plane int, acc bool) {
	switch {
	case l == Generic:
		fiveOutputGo(dst, m, n, pixel, row, plane, acc)
	case l == AVX512 && acc:
		fiveOutputAddavx512(&dst[0], &m[0], n, pixel, row, plane)
	case l == AVX512:
		fiveOutputavx512(&dst[0], &m[0], n, pixel, row, plane)
	case acc:
		fiveOutputAddavx2(&dst[0], &m[0], n, pixel, row, plane)
	default:
		fiveOutputavx2(&dst[0], &m[0], n, pixel, row, plane)
	}
}

func fiveGradient(l Level, v, g []float32, n, pixel, row, plane int) {
	switch l {
	case AVX512:
		fiveGradientavx512(&v[0], &g[0], n, pixel, row, plane)
	case AVX2:
		fiveGradientavx2(&v[0], &g[0], n, pixel, row, plane)
	default:
		fiveGradientGo(v, g, n, pixel, row, plane)
	}
}

func fiveWeights(l Level, dw, m, tmp []float32, n, tap, plane int) {
	switch l {
	case AVX512:
		fiveWeightsavx512(&dw[0], &m[0], &tmp[0], n, tap, plane)
	case AVX2:
		fiveWeightsavx2(&dw[0], &m[0], &tmp[0], n, tap, plane)
	default:
		fiveWeightsGo(dw, m, n, tap, plane)
	}
}

func fiveFilter(l Level, u, w, tmp []float32, n, tap, plane int) {
	switch l {
	case AVX512:
		fiveFilteravx512(&u[0], &w[0], &tmp[0], n, tap, plane)
	case AVX2:
		fiveFilteravx2(&u[0], &w[0], &tmp[0], n, tap, plane)
	default:
		fiveFilterGo(u, w, n, tap, plane)
	}
}
