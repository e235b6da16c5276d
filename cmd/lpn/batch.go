package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/lpn-imaging/lpn/internal/inorder"
)

// A failure is an input that could not be worked on, as JSON shows it.
type failure struct {
	Input string `json:"input"`
	Error string `json:"error"`
}

// A batchResult is what --json prints for more than one input.
type batchResult struct {
	Results []any     `json:"results"`
	Failed  []failure `json:"failed"`
}

// A run of jobs is how each goes through them.
type runOfJobs struct {
	what  string // in the progress
	batch bool   // of more than one input, or of what may be
	skip  bool   // jobs whose output exists
	batchOptions
}

// An outcome is what became of a job.
type outcome struct {
	result  any    // what JSON shows
	line    string // what people see
	err     error
	skipped bool
}

// each runs work on every job, several at a time if the options say so, and tells
// of them in the order of the inputs. In a batch a failure is named and passed over.
// Nothing is kept of a job that is done, but what --json prints at the end.
func (con *console) each(ctx context.Context, jobs []job, r runOfJobs,
	work func(ctx context.Context, j job) (result any, line string, err error)) error {
	all := batchResult{Results: []any{}, Failed: []failure{}}
	log, err := r.openManifest()
	if err != nil {
		return err
	}
	defer log.close()
	var bar *progress
	if r.batch {
		bar = con.progress(r.what, len(jobs))
		defer bar.end()
	}
	skipped, failed := 0, 0
	done := make([]bool, len(jobs))
	one := func(i int) outcome {
		j := jobs[i]
		if ctx.Err() != nil {
			return outcome{err: ctx.Err()}
		}
		made, err := false, j.err
		if err == nil && r.skip {
			made, err = log.made(j)
		}
		if made {
			return outcome{skipped: true}
		}
		sum := log.hashInput(j)
		if err != nil {
			return log.record(j, sum, 0, outcome{err: err})
		}
		start := time.Now()
		limited, stop := r.limit(ctx)
		defer stop()
		var o outcome
		o.result, o.line, o.err = work(limited, j)
		if o.err != nil && limited.Err() != nil && ctx.Err() == nil {
			o.err = fmt.Errorf("%s: took longer than %s (--timeout)", j.path, r.timeout)
		}
		if ctx.Err() != nil && o.err != nil {
			return o
		}
		return log.record(j, sum, time.Since(start), o)
	}
	err = inorder.Do(len(jobs), r.workers(), 8, one, func(i int, o outcome) error {
		j := jobs[i]
		switch {
		case o.skipped:
			skipped++
		case o.err != nil && ctx.Err() != nil:
			return ctx.Err()
		case o.err != nil && !r.batch:
			return o.err
		case o.err != nil:
			con.complain("%v", o.err)
			failed++
			f := failure{j.path, o.err.Error()}
			switch {
			case r.jsonLines:
				if err := con.printJSON(f); err != nil {
					return err
				}
			case con.json:
				all.Failed = append(all.Failed, f)
			}
		default:
			done[i] = true
			switch {
			case r.jsonLines:
				if err := con.printJSON(o.result); err != nil {
					return err
				}
			case con.json:
				all.Results = append(all.Results, o.result)
			case o.line != "":
				con.tell(o.line, j.to == "-")
			}
		}
		if r.batch {
			bar.batch(i+1, skipped)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if skipped > 0 {
		con.remark("%d of %d skipped: their outputs exist", skipped, len(jobs))
	}
	if r.batch {
		gone := con.vanished(jobs, done)
		failed += len(gone)
		all.Failed = append(all.Failed, gone...)
	}
	if con.json && !r.jsonLines {
		var v any = all
		if !r.batch && len(all.Results) == 1 {
			v = all.Results[0]
		}
		if err := con.printJSON(v); err != nil {
			return err
		}
	}
	if failed > 0 {
		return partlyError{failed, len(jobs)}
	}
	return log.close()
}

// vanished names the outputs that something else has removed since their jobs were
// done: a folder deleted under a long batch is no success.
func (con *console) vanished(jobs []job, done []bool) (gone []failure) {
	for i, j := range jobs {
		if !done[i] || j.to == "-" || j.to == "" { // stdout, and commands that write no file
			continue
		}
		if _, err := os.Lstat(j.to); errors.Is(err, fs.ErrNotExist) {
			err := fmt.Errorf("%s: was written, but something else has removed it", j.to)
			con.complain("%v", err)
			gone = append(gone, failure{j.path, err.Error()})
		}
	}
	return gone
}

// A gate lets jobs in as long as cores and memory are left for them, in the order
// in which they ask: a large one is not overtaken for ever. The nil gate is open.
type gate struct {
	all  claim // what there is
	mu   sync.Mutex
	move *sync.Cond
	free claim
	// Tickets: the next to give out, and whose turn it is.
	next, turn int
}

// A claim is what a job takes of the machine.
type claim struct {
	cores int
	bytes int64
}

func newGate(all claim) *gate {
	g := &gate{all: all, free: all}
	g.move = sync.NewCond(&g.mu)
	return g
}

// enter waits until the claim fits, and returns what ends it. A job larger than all
// there is goes alone.
func (g *gate) enter(want claim) (leave func()) {
	if g == nil {
		return func() {}
	}
	want = claim{min(want.cores, g.all.cores), min(want.bytes, g.all.bytes)}
	g.mu.Lock()
	defer g.mu.Unlock()
	ticket := g.next
	g.next++
	for g.turn != ticket || g.free.cores < want.cores || g.free.bytes < want.bytes {
		g.move.Wait()
	}
	g.turn++
	g.free.cores -= want.cores
	g.free.bytes -= want.bytes
	g.move.Broadcast()
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.free.cores += want.cores
		g.free.bytes += want.bytes
		g.move.Broadcast()
	}
}
