package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
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

// each runs work on every job, one after the other, so memory holds one
// picture at a time. In a batch a failure is named and passed over; work
// returns what JSON shows of its job, and the line that people see.
func (con *console) each(ctx context.Context, jobs []job, batch, skip bool, what string,
	work func(ctx context.Context, j job) (result any, line string, err error)) error {
	all := batchResult{Results: []any{}, Failed: []failure{}}
	var bar *progress
	if batch {
		bar = con.progress(what, len(jobs))
		defer bar.end()
	}
	skipped := 0
	var done []job
	for i, j := range jobs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := os.Stat(j.to); err == nil && skip && j.err == nil && isRegular(j.to) {
			skipped++
			continue
		}
		result, line, err := any(nil), "", j.err
		if err == nil {
			result, line, err = work(ctx, j)
		}
		switch {
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case err != nil && !batch:
			return err
		case err != nil:
			con.complain("%v", err)
			all.Failed = append(all.Failed, failure{j.path, err.Error()})
		default:
			done = append(done, j)
			all.Results = append(all.Results, result)
			if !con.json && line != "" {
				if con.bar != nil {
					con.bar.Clear()
				}
				w := con.out
				if j.to == "-" {
					w = con.err
				}
				switch {
				case w == con.out:
					fmt.Fprintln(w, line)
				case con.log != nil && !con.quiet:
					con.log.Info(line)
				case !con.quiet:
					fmt.Fprintln(w, line)
				}
			}
		}
		if batch {
			bar.at(i+1, "")
		}
	}
	if skipped > 0 {
		con.remark("%d of %d skipped: their outputs exist", skipped, len(jobs))
	}
	if batch {
		all.Failed = append(all.Failed, con.vanished(done)...)
	}
	if con.json {
		var v any = all
		if !batch && len(all.Results) == 1 {
			v = all.Results[0]
		}
		if err := con.printJSON(v); err != nil {
			return err
		}
	}
	if len(all.Failed) > 0 {
		return partlyError{len(all.Failed), len(jobs)}
	}
	return nil
}

// vanished names the outputs that something else has removed since they were
// written: a folder deleted under a long batch is no success.
func (con *console) vanished(done []job) (gone []failure) {
	for _, j := range done {
		if j.to == "-" || j.to == "" { // stdout, and commands that write no file
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
