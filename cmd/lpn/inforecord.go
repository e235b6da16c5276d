//go:build !small

package main

import (
	"fmt"
	"io"

	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/lpn/train"
)

// recordOf reads what a prior's file says of its training.
func recordOf(n *lpn.Network) (trainingRecord, error) {
	r, complete, err := train.RecordOf(n)
	if err != nil {
		return trainingRecord{}, err
	}
	out := trainingRecord{
		plan: r.Recipe.Plan.String(),
		card: func(name string) string { return r.Card(name, n) },
		rows: func(w io.Writer) { recordRows(w, r) },
	}
	if complete {
		out.whole = r
	}
	return out, nil
}

// recordRows prints how a prior was trained, what is known of it.
func recordRows(w io.Writer, r train.Record) {
	row := func(what, format string, args ...any) {
		fmt.Fprintf(w, "%s\t"+format+"\n", append([]any{what}, args...)...)
	}
	if r.Preset != "" {
		row("preset", "%s", r.Preset)
	}
	if len(r.Recipe.Plan) > 0 {
		row("plan", "%s", r.Recipe.Plan)
	}
	if r.Steps > 0 {
		row("trained", "%d steps, seed %d", r.Steps, r.Seed)
	}
	if r.Recipe.From != "" {
		row("started from", "%s", r.Recipe.From)
	}
	if d := r.Data; d.Training > 0 {
		row("data", "%s: %d pictures, %d held back", d.Path, d.Training, d.Held)
		row("data SHA-256", "%s", d.Hash)
		if d.Range != "" {
			row("black to white", "%s", d.Range)
		}
		if len(d.Noise) > 0 {
			row("noise of the data", "%s", d.Noise)
		}
		for _, f := range d.Findings {
			row("found in the data", "%s: %d pictures", f.Kind, f.Count)
		}
	}
	if r.Command != "" {
		row("command", "%s", r.Command)
		row("time", "%.0f s on %s, %s", r.Seconds, r.Machine, r.Date)
		row("version", "%s, %s", r.Version, r.Go)
	}
	if n := len(r.Curve); n > 1 {
		row("PSNR on the way", "%.2f dB after %d steps, %.2f dB after %d", r.Curve[0].PSNR, r.Curve[0].Step, r.Curve[n-1].PSNR, r.Curve[n-1].Step)
	}
	if r.Licence != "" {
		row("licence", "%s", r.Licence)
	}
	if r.Note != "" {
		row("note", "%s", r.Note)
	}
}
