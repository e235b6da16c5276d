//go:build (!amd64 && !arm64) || noasm

package kernel

func (e *engine) one(t *tile, p, nv int) { tileGo(t, p, nv) }
