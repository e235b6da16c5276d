//go:build linux

package kernel

import (
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
	"unsafe"
)

// guarded returns n floats between two pages that must not be touched: against
// the one behind or, with low, the one in front.
func guarded(t *testing.T, n int, low bool) []float32 {
	page := os.Getpagesize()
	size := (4*n + page - 1) / page * page
	mem, err := syscall.Mmap(-1, 0, size+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { syscall.Munmap(mem) })
	for _, m := range [][]byte{mem[:page], mem[page+size:]} {
		if err := syscall.Mprotect(m, syscall.PROT_NONE); err != nil {
			t.Skip(err)
		}
	}
	if n == 0 {
		return nil
	}
	at := page + size - 4*n
	if low {
		at = page
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&mem[at])), n)
}

// TestConvGuarded faults where a routine reads or writes outside its slices.
func TestConvGuarded(t *testing.T) {
	check := func(t *testing.T, s ConvShape, seed uint64, cw *ConvW, plans ...func(s ConvShape) *Conv) {
		for _, low := range []bool{false, true} {
			rng := rand.New(rand.NewPCG(seed, 5))
			get := func(n int) []float32 {
				v := guarded(t, n, low)
				for i := range v {
					v[i] = rng.Float32()
				}
				return v
			}
			x, y, w := get(s.lenX()), get(s.lenY()), get(s.lenW())
			for _, plan := range plans {
				c := plan(s)
				in, out := x, y
				if c.lenIn != len(x) || c.lenOut != len(y) {
					in, out = y, x
				}
				f := c.Pack(&Filter{w: get(c.impl.packLen())}, w)
				scratch := get(c.ScratchLen())
				for p := range c.Parts() {
					c.Part(out, in, f, p, seed%2 == 0, scratch)
				}
			}
			scratch := get(cw.ScratchLen())
			for p := range cw.Parts() {
				cw.Part(w, x, y, p, scratch)
			}
		}
	}
	levels(t, func(t *testing.T) {
		for i, s := range convCases {
			check(t, s, uint64(i), NewConvWDirect(s), NewConvDirect, NewConvTDirect)
		}
		for i, s := range fiveCases {
			check(t, s, uint64(i), newConvW(s, newWinogradW(s)), func(s ConvShape) *Conv {
				return newConv(s, newWinograd(s, false, 0), s.lenX(), s.lenY())
			}, func(s ConvShape) *Conv {
				return newConv(s, newWinograd(s, true, 0), s.lenY(), s.lenX())
			})
		}
	})
}
