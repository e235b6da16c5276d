// Package scratch lends vectors to functions that need some for a while, so that a
// solver that runs allocates nothing:
//
//	r, p := scratch.Borrow(n), scratch.Borrow(n)
//	defer scratch.GiveBack(r, p)
package scratch

import "sync"

// buffers holds vectors that were given back, headers the empty headers in which
// they come and go: a slice put into a pool by value would be allocated anew.
var buffers, headers sync.Pool

// Borrow returns n samples of any content.
func Borrow(n int) []float32 {
	p, ok := buffers.Get().(*[]float32)
	if !ok {
		return make([]float32, n)
	}
	b := *p
	*p = nil
	headers.Put(p)
	if cap(b) < n {
		return make([]float32, n)
	}
	return b[:n]
}

// GiveBack ends the loan of vectors, which must not be used any more.
func GiveBack(bs ...[]float32) {
	for _, b := range bs {
		p, ok := headers.Get().(*[]float32)
		if !ok {
			p = new([]float32)
		}
		*p = b
		buffers.Put(p)
	}
}
