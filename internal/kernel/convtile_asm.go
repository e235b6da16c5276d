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
