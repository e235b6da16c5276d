//go:build !small

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/internal/flags"
	"github.com/lpn-imaging/lpn/internal/plot"
	"github.com/lpn-imaging/lpn/lpn/train"
	"github.com/urfave/cli/v2"
)

// recordFlags are those that go with --from-record: where files are.
var recordFlags = []string{"from-record", "data", "valid", "pairs", "output", "o", "force", "log", "pictures", "plot", "width", "font-size", "bare", "checkpoint", "resume",
	"threads", "quiet", "q", "json", "log-format"}

// repeat takes all that decides about the result from the record of a prior.
func (o *trainOptions) repeat(path string) error {
	net, err := openPrior(path)
	if err != nil {
		return err
	}
	r, complete, err := train.RecordOf(net)
	if err != nil {
		return fmt.Errorf("%s: %w", path, strip(err, "train: "))
	}
	if !complete {
		return usagef("--from-record: %s was made before priors had records: lpn info shows what it says", path)
	}
	d := r.Data
	o.record, o.preset, o.seed, o.every, o.patience, o.half, o.damp = &r, "", r.Seed, r.Every, r.Patience, r.Half, r.Damp
	o.patch, o.channels, o.split, o.recorrupt = r.Recipe.Patch, r.Recipe.Config.Channels, d.Split, d.Recorrupted
	for to, from := range map[*string]string{&o.data: d.Path, &o.valid: d.Valid, &o.pairs: d.Pairs} {
		if *to == "" {
			*to = from
		}
	}
	if len(d.Noise) > 0 {
		o.noisy = "auto" // the record's is taken
	}
	if d.Range != "" {
		if o.scale, err = flags.Range(d.Range); err != nil {
			return err
		}
	}
	return nil
}

// commandLine is the command as it was typed.
func commandLine(c *cli.Context) string {
	words := []string{"lpn", "train"}
	for _, f := range c.Command.Flags {
		name := f.Names()[0]
		if !c.IsSet(name) || slices.Contains([]string{"output", "force", "quiet", "json", "threads"}, name) {
			continue
		}
		value := fmt.Sprint(c.Value(name))
		if _, flag := f.(*cli.BoolFlag); flag {
			words = append(words, "--"+name)
			continue
		}
		if value == "" || strings.ContainsAny(value, " ;'\"$&|<>()*?") {
			value = "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
		}
		words = append(words, "--"+name, value)
	}
	return strings.Join(words, " ")
}

// findRate tries learning rates and draws the loss over them.
func (o *trainOptions) findRate(ctx context.Context, con *console, to string) error {
	if err := mayDraw(to, o.force); err != nil {
		return err
	}
	if o.data == "" {
		return usagef("--find-lr wants --data DIR")
	}
	t, _, err := o.options(con)
	if err != nil {
		return err
	}
	const lo, hi, steps = 1e-5, 0.3, 600
	bar := con.progress("trying rates", steps)
	defer bar.end()
	t.Progress = func(p train.Progress) { bar.at(p.Step, fmt.Sprintf("rate %.2g", p.Rate)) }
	course, rate, err := train.FindRate(ctx, t, lo, hi, steps)
	if err != nil {
		return strip(err, "train: ")
	}
	bar.end()
	var x, y []float64
	for _, p := range course {
		if p.Loss > 0 {
			x, y = append(x, p.Rate), append(y, p.Loss)
		}
	}
	if err := drawTo(to, o.style, plot.Lines{X: "learning rate", Y: "loss, smoothed", LogX: true, LogY: true, Series: []plot.Series{{X: x, Y: y}}}); err != nil {
		return err
	}
	if con.json {
		return con.printJSON(map[string]any{"rate": rate, "tried": len(course)})
	}
	_, err = fmt.Fprintf(con.out, "--lr %.2g\n", rate)
	return err
}
