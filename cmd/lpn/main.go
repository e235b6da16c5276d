package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal ends the work in good order; a second one kills.
	context.AfterFunc(ctx, stop)
	var in io.Reader = os.Stdin
	if st, err := os.Stdin.Stat(); err != nil || !st.Mode().IsRegular() {
		in = &patientReader{ctx: ctx, r: os.Stdin}
	}
	os.Exit(run(ctx, os.Args[1:], in, os.Stdout, os.Stderr))
}

// A patientReader reads what may come late or never, such as a pipe, until
// the context ends.
type patientReader struct {
	ctx  context.Context
	r    io.Reader
	buf  []byte // what was read and not yet handed on
	err  error
	back chan error // a read that is under way
}

func (p *patientReader) Read(b []byte) (int, error) {
	if len(p.buf) == 0 && p.err == nil {
		if p.back == nil {
			p.back = make(chan error, 1)
			buf := make([]byte, max(len(b), 4096))
			go func(back chan<- error) {
				n, err := p.r.Read(buf)
				p.buf = buf[:n]
				back <- err
			}(p.back)
		}
		select {
		case err := <-p.back:
			p.back, p.err = nil, err
		case <-p.ctx.Done():
			return 0, p.ctx.Err()
		}
	}
	n := copy(b, p.buf)
	p.buf = p.buf[n:]
	if n == 0 && p.err != nil {
		return 0, p.err
	}
	return n, nil
}
