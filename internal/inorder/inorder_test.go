package inorder

import (
	"errors"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
)

func TestDo(t *testing.T) {
	for _, workers := range []int{1, 2, 7, 16} {
		for _, n := range []int{0, 1, 3, 100} {
			var got, want []int
			for i := range n {
				want = append(want, i*i)
			}
			work := func(i int) int {
				for range i % 5 {
					runtime.Gosched() // so that results come out of order
				}
				return i * i
			}
			err := Do(n, workers, 2, work, func(i, v int) error {
				if i != len(got) {
					t.Errorf("%d workers: result %d came as number %d", workers, i, len(got))
				}
				got = append(got, v)
				return nil
			})
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%d workers, %d results: %v, %v", workers, n, got, err)
			}
		}
	}
}

func TestDoStops(t *testing.T) {
	full := errors.New("full")
	for _, workers := range []int{1, 3, 16} {
		for _, ahead := range []int{0, 2, 8} {
			var running, begun atomic.Int32
			emitted := 0
			work := func(i int) int {
				running.Add(1)
				defer running.Add(-1)
				begun.Add(1)
				return i
			}
			err := Do(1000, workers, ahead, work, func(i, _ int) error {
				if emitted++; i == 20 {
					return full
				}
				return nil
			})
			if err != full || emitted != 21 || running.Load() != 0 {
				t.Errorf("%d workers: %v after %d results, %d still at work", workers, err, emitted, running.Load())
			}
			if most := 21 + max(ahead, 1)*workers; int(begun.Load()) > most {
				t.Errorf("%d workers, %d ahead: %d begun for 21 results, want at most %d", workers, ahead, begun.Load(), most)
			}
		}
	}
}
