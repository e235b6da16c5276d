package serve

import (
	"slices"
	"sync"
)

// mostPlans is how many plans are kept: two tabs have two each, that of the restoration
// at a strength and that of its looks, which has none.
const mostPlans = 4

// plans are the last restorations that were prepared. A plan holds the memory of its
// network, many times that of the picture, so there are few, whoever asked for them.
type plans struct {
	limit int64 // of what they take together, but for the last

	mu   sync.Mutex
	made []prepared // the last to be used first
}

// find is the restoration of an item that is as wanted; false: there is none.
func (s *plans) find(it *item, wanted func(prepared) bool) (prepared, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := slices.IndexFunc(s.made, func(p prepared) bool { return p.of == it && wanted(p) })
	if k < 0 {
		return prepared{}, false
	}
	p := s.made[k]
	s.made = slices.Insert(slices.Delete(s.made, k, k+1), 0, p)
	return p, true
}

// keep keeps a restoration, and lets those go for which there is no room.
func (s *plans) keep(p prepared) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made = slices.Insert(s.made, 0, p)
	n, bytes := 0, int64(0)
	for n < min(len(s.made), mostPlans) {
		if bytes += s.made[n].bytes(); n > 0 && bytes > s.limit {
			break
		}
		n++
	}
	s.made = slices.Delete(s.made, n, len(s.made))
}

// forget lets those of an item go.
func (s *plans) forget(it *item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made = slices.DeleteFunc(s.made, func(p prepared) bool { return p.of == it })
}

// bytes is about what a plan takes.
func (p prepared) bytes() int64 {
	if p.plan.Windows != nil {
		return p.plan.Memory.Window
	}
	return p.plan.Memory.Need
}
