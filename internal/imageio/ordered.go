package imageio

// ordered calls work(0..n-1) on up to workers goroutines and emit on the
// results in their order, on the caller's. No more than twice as many results
// as workers exist at a time. It stops at the first error of emit.
func ordered[T any](n, workers int, work func(i int) T, emit func(T) error) error {
	if workers = min(workers, n); workers <= 1 {
		for i := range n {
			if err := emit(work(i)); err != nil {
				return err
			}
		}
		return nil
	}
	depth := 2 * workers
	slots := make([]chan T, depth) // result i goes to slot i%depth
	for i := range slots {
		slots[i] = make(chan T, 1)
	}
	jobs := make(chan int, depth)
	defer close(jobs)
	for range workers {
		go func() {
			for i := range jobs {
				slots[i%depth] <- work(i)
			}
		}()
	}
	for i := range min(depth, n) {
		jobs <- i
	}
	for i := range n {
		if err := emit(<-slots[i%depth]); err != nil {
			return err
		}
		if i+depth < n {
			jobs <- i + depth
		}
	}
	return nil
}
