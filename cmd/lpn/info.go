package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/lpn-imaging/lpn/lpn"
	"github.com/urfave/cli/v2"
)

func infoCommand() *cli.Command {
	return &cli.Command{
		Name:        "info",
		Usage:       "what a prior holds",
		Description: "Example: lpn info prior" + priorExt,
		ArgsUsage:   "PRIOR",
		Flags:       common(),
		Action: action(func(c *cli.Context, con *console) error {
			if err := wantArgs(c, 1, "one prior, built in or a file"); err != nil {
				return err
			}
			return runInfo(c.Context, con, c.Args().First())
		}),
	}
}

func runInfo(_ context.Context, con *console, name string) error {
	n, err := openPrior(name)
	if err != nil {
		return err
	}
	info := describe(name, n)
	cert, err := stored(n)
	if err != nil {
		return err
	}
	if con.json {
		return con.printJSON(struct {
			priorInfo
			Config      lpn.Config       `json:"config"`
			Certificate *lpn.Certificate `json:"certificate"`
		}{priorInfo: info, Config: n.Config(), Certificate: cert})
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
	if cert != nil {
		fmt.Fprintf(w, "\nstored certificate\t(lpn verify measures it anew)\n")
		certificateRows(w, *cert)
	} else {
		fmt.Fprintf(w, "certificate\tnone stored (lpn verify -o adds one)\n")
	}
	return w.Flush()
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
