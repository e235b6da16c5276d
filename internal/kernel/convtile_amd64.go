//go:build !noasm

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
