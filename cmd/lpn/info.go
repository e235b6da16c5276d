package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/lpn/train"
	"github.com/urfave/cli/v2"
)

func infoCommand() *cli.Command {
	return &cli.Command{
		Name:        "info",
		Usage:       "what a prior holds",
		Description: "Examples:\nlpn info prior" + priorExt + "\nlpn info --card prior" + priorExt + " > card.md",
		ArgsUsage:   "PRIOR",
		Flags:       common(&cli.BoolFlag{Name: "card", Usage: "print a model card in Markdown"}),
		Action: action(func(c *cli.Context, con *console) error {
			if err := wantArgs(c, 1, "one prior, built in or a file"); err != nil {
				return err
			}
			return runInfo(con, c.Args().First(), c.Bool("card"))
		}),
	}
}

func runInfo(con *console, name string, card bool) error {
	n, err := openPrior(name)
	if err != nil {
		return err
	}
	info := describe(name, n)
	cert, err := stored(n)
	if err != nil {
		return err
	}
	record, complete, err := train.RecordOf(n)
	if err != nil {
		return fmt.Errorf("%s: %w", name, strip(err, "train: "))
	}
	switch {
	case con.json && card:
		return usagef("--card and --json exclude each other")
	case card:
		_, err := io.WriteString(con.out, record.Card(strings.TrimSuffix(filepath.Base(name), priorExt), n))
		return err
	case con.json:
		out := struct {
			priorInfo
			Config      lpn.Config       `json:"config"`
			Certificate *lpn.Certificate `json:"certificate"`
			Plan        string           `json:"plan,omitempty"`
			Record      *train.Record    `json:"record,omitempty"`
		}{priorInfo: info, Config: n.Config(), Certificate: cert, Plan: record.Recipe.Plan.String()}
		if complete {
			out.Record = &record
		}
		return con.printJSON(out)
	}
	c := n.Config()
	w := tabwriter.NewWriter(con.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "prior\t%s\n", name)
	fmt.Fprintf(w, "network\t%s (%s)\n", cmp.Or(c.Name, info.Kind), info.Kind)
	fmt.Fprintf(w, "channels\t%d\n", c.Channels)
	if c.Height > 0 {
		fmt.Fprintf(w, "size\t%dx%d only\n", c.Width, c.Height)
	} else {
		fmt.Fprintf(w, "size\tany\n")
	}
	fmt.Fprintf(w, "noise level\t%s\n", levels(c.Sigma))
	fmt.Fprintf(w, "strong convexity\t%.3g\n", c.Alpha)
	fmt.Fprintf(w, "parameters\t%d\n", info.Parameters)
	if info.PSNR != nil {
		fmt.Fprintf(w, "validation PSNR\t%.2f dB\n", *info.PSNR)
	}
	if st, err := os.Stat(name); err == nil {
		fmt.Fprintf(w, "file\t%d bytes\n", st.Size())
	}
	recordRows(w, record)
	if cert != nil {
		fmt.Fprintf(w, "\nstored certificate\t(lpn verify measures it anew)\n")
		certificateRows(w, *cert)
	} else {
		fmt.Fprintf(w, "certificate\tnone stored (lpn verify -o adds one)\n")
	}
	return w.Flush()
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

// stored is the certificate in a prior's file, nil without one. One from before
// waves were looked for has that added.
func stored(n *lpn.Network) (*lpn.Certificate, error) {
	c, ok := n.Certificate()
	if !ok {
		return nil, nil
	}
	if c.StripeGain == nil {
		if err := n.MeasureStripes(&c); err != nil {
			return nil, err
		}
	}
	return &c, nil
}
