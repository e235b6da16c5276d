package serve

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/plot"
	"github.com/lpn-imaging/lpn/lpn/explore"
)

// An item is a picture or a result that a client may ask for again by its id, which
// cannot be guessed. Nothing of it is ever on disk.
type item struct {
	id    string
	owner owner
	name  string
	bytes int64
	used  time.Time

	picture *imageio.Picture // nil of a result that is none
	look    look             // how the picture is shown
	figures []plot.Figure    // of a result
	numbers explore.Data     // behind them
	slice   *explore.SliceResult

	mu sync.Mutex // held while its restoration is prepared
}

// A store holds items within a number of bytes. What was not used for the longest goes
// first, of the client that holds the most, and everything goes when it was not used for
// a while.
type store struct {
	limit int64
	keep  time.Duration
	now   func() time.Time
	gone  func(*item) // is told of what goes; may be nil

	mu    sync.Mutex
	items map[string]*item
	total int64
}

// put keeps an item under a new id.
func (s *store) put(it *item) error {
	var raw [16]byte
	rand.Read(raw[:])
	it.id, it.used = hex.EncodeToString(raw[:]), s.now()
	if p := it.picture; p != nil {
		it.bytes += 4*int64(len(p.Pix)) + 2*int64(len(p.Alpha)) + int64(len(p.ICC)+len(p.Meta.EXIF)+len(p.Meta.XMP))
		if p.JPEG != nil {
			it.bytes += 2 * int64(len(p.JPEG.K))
		}
	}
	if it.bytes > s.limit {
		return fmt.Errorf("the picture takes %d MB, of which there are %d", it.bytes>>20, s.limit>>20)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	for s.total+it.bytes > s.limit {
		s.drop(s.stalest())
	}
	s.items[it.id] = it
	s.total += it.bytes
	return nil
}

// get is the item of an id, nil where there is none.
func (s *store) get(id string) *item {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	it := s.items[id]
	if it != nil {
		it.used = s.now()
	}
	return it
}

func (s *store) remove(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.items[id]
	if it != nil {
		s.drop(it)
	}
	return it != nil
}

func (s *store) drop(it *item) {
	delete(s.items, it.id)
	s.total -= it.bytes
	if s.gone != nil {
		s.gone(it)
	}
}

// sweep drops what was not used for a while.
func (s *store) sweep() {
	old := s.now().Add(-s.keep)
	for _, it := range s.items {
		if it.used.Before(old) {
			s.drop(it)
		}
	}
}

// stalest is the least recently used item of the address, and there of the client, that
// holds the most.
func (s *store) stalest() *item {
	address, client := map[string]int64{}, map[owner]int64{}
	for _, it := range s.items {
		address[it.owner.address] += it.bytes
		client[it.owner] += it.bytes
	}
	var out *item
	for _, it := range s.items {
		switch {
		case out == nil:
			out = it
		case it.owner.address != out.owner.address:
			if address[it.owner.address] > address[out.owner.address] {
				out = it
			}
		case it.owner != out.owner:
			if client[it.owner] > client[out.owner] {
				out = it
			}
		case it.used.Before(out.used):
			out = it
		}
	}
	return out
}

func (s *store) counts() (n int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.items), s.total
}
