//go:build !noasm

package kernel

func (e *engine) one(t *tile, p, nv int) {
	if e.level == Generic {
		tileGo(t, p, nv)
		return
	}
	tileNEON(t, p, nv)
}
