package serve

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// A queue lets a number of pieces of work run at a time. When one ends, the next is of
// the address, and of the client there, that has the least running and has been served
// the longest ago: a client with many requests waits for itself.
type queue struct {
	slots int // that may run
	depth int // that may wait, a client; four times as many of an address

	mu      sync.Mutex
	running map[owner]int
	waiting []*waiter
	served  map[owner]int // a clock, not a count
	clock   int
}

// An owner is who asks: where the request comes from and who it says to be.
type owner struct{ address, client string }

type waiter struct {
	owner owner
	start chan struct{}
}

var errBusy = errors.New("too many requests wait already: try again later")

func newQueue(slots, depth int) *queue {
	return &queue{slots: slots, depth: depth, running: map[owner]int{}, served: map[owner]int{}}
}

// enter waits for its turn and returns what ends it. It fails when ctx ends, or with
// errBusy.
func (q *queue) enter(ctx context.Context, o owner) (leave func(), err error) {
	w := &waiter{owner: o, start: make(chan struct{})}
	q.mu.Lock()
	mine, here := 0, 0
	for _, other := range q.waiting {
		if other.owner == o {
			mine++
		}
		if other.owner.address == o.address {
			here++
		}
	}
	if mine >= q.depth || here >= 4*q.depth {
		q.mu.Unlock()
		return nil, errBusy
	}
	q.waiting = append(q.waiting, w)
	q.next()
	q.mu.Unlock()
	select {
	case <-w.start:
		return sync.OnceFunc(func() { q.leave(o) }), nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.waiting, w); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
		return nil, ctx.Err()
	}
	q.release(o) // it was started at the same moment
	return nil, ctx.Err()
}

func (q *queue) leave(o owner) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.release(o)
}

func (q *queue) release(o owner) {
	if q.running[o]--; q.running[o] == 0 {
		delete(q.running, o)
	}
	q.next()
}

// next starts what may start.
func (q *queue) next() {
	for len(q.waiting) > 0 && q.total() < q.slots {
		best := 0
		for i := range q.waiting {
			if q.before(q.waiting[i].owner, q.waiting[best].owner) {
				best = i
			}
		}
		w := q.waiting[best]
		q.waiting = slices.Delete(q.waiting, best, best+1)
		q.running[w.owner]++
		q.clock++
		q.served[w.owner] = q.clock
		if len(q.served) > 1024 { // who they were does not matter any more
			clear(q.served)
		}
		close(w.start)
	}
}

// before says whether a comes before b; of equals the first to come does.
func (q *queue) before(a, b owner) bool {
	if x, y := q.of(a.address), q.of(b.address); x != y {
		return x < y
	}
	if x, y := q.running[a], q.running[b]; x != y {
		return x < y
	}
	return q.served[a] < q.served[b]
}

func (q *queue) of(address string) (n int) {
	for o, k := range q.running {
		if o.address == address {
			n += k
		}
	}
	return n
}

func (q *queue) total() (n int) {
	for _, k := range q.running {
		n += k
	}
	return n
}

// counts are the numbers running and waiting.
func (q *queue) counts() (running, waiting int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.total(), len(q.waiting)
}
