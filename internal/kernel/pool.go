package kernel

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// A Task is work cut into parts that write disjoint memory. The cut depends
// on the problem alone, never on the number of workers, so a result has the
// same bits on any number of cores.
type Task interface {
	// Part does one part; worker, in [0, workers), picks its scratch.
	Part(worker, part int)
}

// A Pool runs tasks on a fixed number of workers. Its methods may be called by
// one goroutine at a time. Running a task allocates nothing.
type Pool struct {
	n    int
	wake []chan struct{}
	done sync.WaitGroup
	task Task
	want int32
	next atomic.Int32
	quit chan struct{}
}

// NewPool returns a pool of n workers (the caller's goroutine is one of
// them); n <= 0 means GOMAXPROCS. Close releases it.
func NewPool(n int) *Pool {
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	p := &Pool{n: n, quit: make(chan struct{})}
	for w := 1; w < n; w++ {
		c := make(chan struct{}, 1)
		p.wake = append(p.wake, c)
		go p.serve(w, c)
	}
	return p
}

// Workers is the number of workers, at least 1.
func (p *Pool) Workers() int { return p.n }

// Close stops the workers.
func (p *Pool) Close() { close(p.quit) }

// Do runs parts 0..parts-1 of t and returns when all are done.
func (p *Pool) Do(t Task, parts int) {
	if p.n == 1 || parts <= 1 {
		for i := range parts {
			t.Part(0, i)
		}
		return
	}
	p.task, p.want = t, int32(parts)
	p.next.Store(0)
	k := min(p.n, parts) - 1
	p.done.Add(k)
	for _, c := range p.wake[:k] {
		c <- struct{}{}
	}
	p.drain(0)
	p.done.Wait()
	p.task = nil
}

func (p *Pool) serve(worker int, wake chan struct{}) {
	for {
		select {
		case <-wake:
			p.drain(worker)
			p.done.Done()
		case <-p.quit:
			return
		}
	}
}

func (p *Pool) drain(worker int) {
	for {
		i := p.next.Add(1) - 1
		if i >= p.want {
			return
		}
		p.task.Part(worker, int(i))
	}
}
