package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A stream sends server-sent events, or none where the client wants the result alone.
type stream struct {
	w      http.ResponseWriter
	events bool

	mu   sync.Mutex
	open bool
}

// wantsEvents says whether a client asks for events.
func wantsEvents(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/event-stream")
}

// send sends an event with v as JSON. A client that does not read for a while is taken
// to be gone: the write fails, and the connection ends with it.
func (s *stream) send(event string, v any) {
	if !s.events {
		return
	}
	b, err := json.Marshal(v)
	if err != nil {
		b = []byte(`{"error":"the answer is no JSON"}`)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := http.NewResponseController(s.w)
	if !s.open {
		s.open = true
		h := s.w.Header()
		h.Set("Content-Type", "text/event-stream")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Accel-Buffering", "no")
		s.w.WriteHeader(http.StatusOK)
	}
	c.SetWriteDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(s.w, "event: %s\ndata: %s\n\n", event, b)
	c.Flush()
}

// work waits for a turn in q and answers with what f returns: as the event "result", or
// as JSON; a func(http.ResponseWriter) answers itself. f sends events on the way. It is
// cancelled when the client goes.
func (s *Server) work(w http.ResponseWriter, r *http.Request, q *queue, f func(ctx context.Context, out *stream) (any, error)) {
	out := &stream{w: w, events: wantsEvents(r)}
	if _, waiting := q.counts(); waiting > 0 {
		out.send("waiting", struct{}{})
	}
	leave, err := q.enter(r.Context(), ownerOf(r))
	if err == nil {
		defer leave()
		var v any
		if v, err = f(r.Context(), out); err == nil {
			if own, ok := v.(func(http.ResponseWriter)); ok {
				own(w)
			} else if out.events {
				out.send("result", v)
			} else {
				reply(w, http.StatusOK, v)
			}
			return
		}
	}
	if errors.Is(err, context.Canceled) {
		s.metrics.cancelled.Add(1)
	}
	if out.open {
		out.send("error", struct {
			Error  string `json:"error"`
			Status int    `json:"status"`
		}{oneLine(err), statusOf(err)})
		return
	}
	s.refuse(w, err)
}
