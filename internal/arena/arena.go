// Package arena lays out buffers that are in use at different times in one piece
// of memory, so that what works on them stays in the processor's caches.
//
// Time is counted in steps of a program that never changes:
//
//	a := arena.Span{Len: 100, First: 0, Last: 2}
//	b := arena.Span{Len: 100, First: 3, Last: 5}
//	n := arena.Place([]*arena.Span{&a, &b}) // 112: both begin at 0
package arena

import "slices"

// A Span is a buffer of Len elements in use from step First to step Last, both
// included. Place sets Off, where it begins.
type Span struct{ Len, First, Last, Off int }

// line is what offsets are multiples of: float32s in a cache line.
const line = 16

// Place gives every span a place that no other has while both are in use, and
// returns the length of memory needed. The largest are placed first, each at the
// lowest place that is free: not always the least memory, but near it.
func Place(spans []*Span) (n int) {
	order := slices.Clone(spans)
	slices.SortStableFunc(order, func(a, b *Span) int { return b.Len - a.Len })
	placed := make([]*Span, 0, len(order)) // by Off
	for _, s := range order {
		s.Off = 0
		for _, q := range placed {
			if q.First > s.Last || s.First > q.Last {
				continue
			}
			if s.Off+s.Len <= q.Off {
				break
			}
			s.Off = max(s.Off, (q.Off+q.Len+line-1)/line*line)
		}
		at, _ := slices.BinarySearchFunc(placed, s.Off, func(q *Span, off int) int { return q.Off - off })
		placed = slices.Insert(placed, at, s)
		n = max(n, (s.Off+s.Len+line-1)/line*line)
	}
	return n
}
