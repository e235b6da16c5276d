//go:build amd64 && !noasm

package kernel

func (c *winograd) input(v, x, tmp []float32, pixel, row, plane int) {
	switch c.level {
	case AVX512:
		winoInputAVX512(&v[0], &x[0], &tmp[0], c.ci, pixel, row, plane)
	case AVX2:
		winoInputAVX2(&v[0], &x[0], &tmp[0], c.ci, pixel, row, plane)
	default:
		winoInputGo(v, x, c.ci, pixel, row, plane)
	}
}

func (c *winograd) output(dst, m, tmp []float32, n, pixel, row, plane int, acc bool) {
	switch {
	case c.level == Generic:
		winoOutputGo(dst, m, n, pixel, row, plane, acc)
	case c.level == AVX512 && acc:
		winoOutputAddAVX512(&dst[0], &m[0], &tmp[0], n, pixel, row, plane)
	case c.level == AVX512:
		winoOutputAVX512(&dst[0], &m[0], &tmp[0], n, pixel, row, plane)
	case acc:
		winoOutputAddAVX2(&dst[0], &m[0], &tmp[0], n, pixel, row, plane)
	default:
		winoOutputAVX2(&dst[0], &m[0], &tmp[0], n, pixel, row, plane)
	}
}

func (c *winograd) filter(u, w, tmp []float32, n, tap, plane int) {
	switch c.level {
	case AVX512:
		winoFilterAVX512(&u[0], &w[0], &tmp[0], n, tap, plane)
	case AVX2:
		winoFilterAVX2(&u[0], &w[0], &tmp[0], n, tap, plane)
	default:
		winoFilterGo(u, w, n, tap, plane)
	}
}

// product cuts the rows into blocks of six or fewer, as even as they come.
func (c *winograd) product(m, v, u []float32, rows, width int) {
	var kernels *[6]func(m, a, b *float32, k, blocks, pitch int)
	switch c.level {
	case AVX512:
		kernels = &winoProducts[width/16-1]
	case AVX2:
		kernels = &winoProductsAVX2
	default:
		winoProductGo(m, v, u, rows, c.ci, c.cip, width)
		return
	}
	blocks := (rows + 5) / 6
	r, more := rows/blocks, rows%blocks
	if more > 0 {
		kernels[r](&m[0], &v[0], &u[0], c.ci, more, c.cip)
		m, v = m[more*(r+1)*width:], v[more*(r+1)*c.cip:]
	}
	kernels[r-1](&m[0], &v[0], &u[0], c.ci, blocks-more, c.cip)
}

// winoProducts is by the number of vectors and of rows, less one.
var winoProducts = [4][6]func(m, a, b *float32, k, blocks, pitch int){
	{winoProduct1x1AVX512, winoProduct2x1AVX512, winoProduct3x1AVX512, winoProduct4x1AVX512, winoProduct5x1AVX512, winoProduct6x1AVX512},
	{winoProduct1x2AVX512, winoProduct2x2AVX512, winoProduct3x2AVX512, winoProduct4x2AVX512, winoProduct5x2AVX512, winoProduct6x2AVX512},
	{winoProduct1x3AVX512, winoProduct2x3AVX512, winoProduct3x3AVX512, winoProduct4x3AVX512, winoProduct5x3AVX512, winoProduct6x3AVX512},
	{winoProduct1x4AVX512, winoProduct2x4AVX512, winoProduct3x4AVX512, winoProduct4x4AVX512, winoProduct5x4AVX512, winoProduct6x4AVX512},
}

var winoProductsAVX2 = [6]func(m, a, b *float32, k, blocks, pitch int){
	winoProduct1x2AVX2, winoProduct2x2AVX2, winoProduct3x2AVX2, winoProduct4x2AVX2, winoProduct5x2AVX2, winoProduct6x2AVX2,
}
