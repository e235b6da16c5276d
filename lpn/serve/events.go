package serve

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A stream sends server-sent events, or none where the client wants the result alone.
type stream struct {
	w      http.ResponseWriter
	events bool
	cancel context.CancelFunc // ends the work of a client that has gone

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
	if c.Flush() != nil {
		s.cancel()
	}
}

// turn runs f when its turn in q has come.
func (s *Server) turn(ctx context.Context, q *queue, o owner, f func() error) error {
	leave, err := q.enter(ctx, o)
	if err != nil {
		return err
	}
	defer leave()
	return f()
}

// An answer is the body of a response that is ready to be sent: the turn of the work has
// ended, so that a client that reads slowly holds up nobody.
type answer struct {
	kind  string // the media type
	file  string // the name to save it under, "" for none
	cache string
	body  []byte
}

func (a answer) send(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", cmp.Or(a.cache, "no-store"))
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	if a.file != "" {
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": a.file}))
	}
	// No one may take for ever, but a large file may take a slow line.
	const slowest = 64 << 10 // bytes a second
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(30*time.Second + time.Duration(len(a.body)/slowest)*time.Second))
	if _, err := w.Write(a.body); err != nil {
		panic(http.ErrAbortHandler) // the client has gone
	}
}

// work waits for a turn in q and answers with what f returns: an answer, or something for
// the event "result", or for JSON. f sends events on the way. It is cancelled when the
// client goes.
func (s *Server) work(w http.ResponseWriter, r *http.Request, q *queue, f func(ctx context.Context, out *stream) (any, error)) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	out := &stream{w: w, events: wantsEvents(r), cancel: cancel}
	if _, waiting := q.counts(); waiting > 0 {
		out.send("waiting", struct{}{})
	}
	var v any
	err := s.turn(ctx, q, ownerOf(r), func() (err error) {
		v, err = f(ctx, out)
		return err
	})
	if a, ready := v.(answer); err == nil && ready {
		a.send(w)
	} else if err == nil && out.events {
		out.send("result", v)
	} else if err == nil {
		reply(w, http.StatusOK, v)
	}
	if errors.Is(err, context.Canceled) {
		s.metrics.cancelled.Add(1)
	}
	switch {
	case err == nil:
	case out.open:
		out.send("error", struct {
			Error  string `json:"error"`
			Status int    `json:"status"`
		}{oneLine(err), statusOf(err)})
	default:
		s.refuse(w, err)
	}
}
