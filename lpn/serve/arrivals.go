package serve

import (
	"io"
	"net/http"
	"sync"
)

// arrivals are the uploads that are being read. What has come of them counts, not what is
// promised, so a client that sends slowly takes little; and a client may have half of the
// room, so another finds some.
type arrivals struct {
	limit int64

	mu    sync.Mutex
	total int64
	of    map[owner]int64
}

func (a *arrivals) add(o owner, n int64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.total+n > a.limit || a.of[o]+n > a.limit/2 {
		return statusError{http.StatusTooManyRequests, errBusy}
	}
	a.total += n
	a.of[o] += n
	return nil
}

func (a *arrivals) end(o owner, n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total -= n
	if a.of[o] -= n; a.of[o] == 0 {
		delete(a.of, o)
	}
}

// An arrival is one of them.
type arrival struct {
	r  io.Reader
	in *arrivals
	of owner
	n  int64 // bytes so far
}

func (a *arrival) Read(b []byte) (int, error) {
	n, err := a.r.Read(b)
	if full := a.in.add(a.of, int64(n)); full != nil {
		return 0, full
	}
	a.n += int64(n)
	return n, err
}

func (a *arrival) end() { a.in.end(a.of, a.n) }
