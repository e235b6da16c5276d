//go:build !amd64 || noasm

package kernel

func (c *winograd) input(v, x, tmp []float32, pixel, row, plane int) {
	winoInputGo(v, x, c.ci, pixel, row, plane)
}

func (c *winograd) output(dst, m, tmp []float32, n, pixel, row, plane int, acc bool) {
	winoOutputGo(dst, m, n, pixel, row, plane, acc)
}

func (c *winograd) filter(u, w, tmp []float32, n, tap, plane int) {
	winoFilterGo(u, w, n, tap, plane)
}

func (c *winograd) product(m, v, u []float32, rows, width int) {
	winoProductGo(m, v, u, rows, c.ci, c.cip, width)
}
