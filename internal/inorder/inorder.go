// Package inorder computes many results at the same time and hands them out in their
// order.
package inorder

import "sync"

// Do calls work(0), ..., work(n-1) on up to workers goroutines, and emit on the results in
// their order, on the goroutine of the caller. At most ahead results for each worker wait
// for their turn. Do stops at the first error of emit, and returns it when no work is
// running any more.
func Do[T any](n, workers, ahead int, work func(i int) T, emit func(i int, v T) error) error {
	if workers = min(workers, n); workers <= 1 {
		for i := range n {
			if err := emit(i, work(i)); err != nil {
				return err
			}
		}
		return nil
	}
	depth := max(ahead, 1) * workers
	slots := make([]chan T, depth) // result i goes to slot i%depth
	for i := range slots {
		slots[i] = make(chan T, 1)
	}
	next := make(chan int, depth)
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for i := range next {
				slots[i%depth] <- work(i)
			}
		})
	}
	for i := range min(depth, n) {
		next <- i
	}
	var err error
	for i := 0; i < n && err == nil; i++ {
		if err = emit(i, <-slots[i%depth]); err == nil && i+depth < n {
			next <- i + depth
		}
	}
	if err != nil { // drop what nobody has begun
		for len(next) > 0 {
			select {
			case <-next:
			default:
			}
		}
	}
	close(next)
	running.Wait()
	return err
}
