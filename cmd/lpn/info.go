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
	"github.com/urfave/cli/v2"
)

func infoCommand() *cli.Command {
	return &cli.Command{
		Name:        "info",
		Usage:       "print what a prior file holds",
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
	record, err := recordOf(n)
	if err != nil {
		return fmt.Errorf("%s: %w", name, strip(err, "train: "))
	}
	switch {
	case con.json && card:
		return usagef("--card and --json exclude each other")
	case card && record.card == nil:
		return usagef("--card: this lpn was built without training (-tags small)")
	case card:
		_, err := io.WriteString(con.out, record.card(strings.TrimSuffix(filepath.Base(name), priorExt)))
		return err
	case con.json:
		out := struct {
			priorInfo
			Config      lpn.Config       `json:"config"`
			Certificate *lpn.Certificate `json:"certificate"`
			Plan        string           `json:"plan,omitempty"`
			Record      any              `json:"record,omitempty"`
		}{priorInfo: info, Config: n.Config(), Certificate: cert, Plan: record.plan, Record: record.whole}
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
	record.rows(w)
	if cert != nil {
		fmt.Fprintf(w, "\nstored certificate\t(lpn verify measures it anew)\n")
		certificateRows(w, *cert)
	} else {
		fmt.Fprintf(w, "certificate\tnone stored (lpn verify -o adds one)\n")
	}
	return w.Flush()
}

// A trainingRecord is what a prior's file says of its training.
type trainingRecord struct {
	plan  string
	whole any // the record for JSON, nil where the file has none
	card  func(name string) string
	rows  func(w io.Writer)
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
