package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/lpn-imaging/lpn/internal/flags"
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/urfave/cli/v2"
)

const priorExt = priors.Ext

// findPrior finds a prior by the name of a built-in one, or by file.
func findPrior(name string) (priors.Prior, error) {
	p, err := flags.Prior(name)
	return p, asUsage(err)
}

// openPrior opens a prior by the name of a built-in one or by file.
func openPrior(name string) (*lpn.Network, error) {
	p, err := findPrior(name)
	if err != nil {
		return nil, err
	}
	return p.Network()
}

// A priorInfo is what is known of a prior.
type priorInfo struct {
	Name       string  `json:"name"`
	Channels   int     `json:"channels"`
	Sigma      number  `json:"sigma"`
	Parameters int     `json:"parameters"`
	PSNR       *number `json:"psnr,omitempty"`
	Kind       string  `json:"kind"`
	Height     int     `json:"height,omitempty"`
	Width      int     `json:"width,omitempty"`
	Alpha      number  `json:"alpha"`
}

func describe(name string, n *lpn.Network) priorInfo {
	c := n.Config()
	kind := "pyramid"
	if c.Softplus != nil {
		kind = "softplus"
	}
	info := priorInfo{Name: name, Channels: c.Channels, Sigma: number(c.Sigma), Parameters: c.NumParams(),
		Kind: kind, Height: c.Height, Width: c.Width, Alpha: number(c.Alpha)}
	var v float64
	if _, err := fmt.Sscan(n.Meta("psnr"), &v); err == nil {
		info.PSNR = (*number)(&v)
	}
	return info
}

func priorsCommand() *cli.Command {
	return &cli.Command{
		Name:        "priors",
		Usage:       "list the built-in priors",
		Description: "Example: lpn priors --json",
		Flags:       common(),
		Action: action(func(c *cli.Context, con *console) error {
			if err := wantArgs(c, 0, "no arguments"); err != nil {
				return err
			}
			return runPriors(c.Context, con)
		}),
	}
}

func runPriors(_ context.Context, con *console) error {
	infos := []priorInfo{}
	for _, p := range priors.All() {
		net, err := p.Network()
		if err != nil {
			return err
		}
		infos = append(infos, describe(p.Name, net))
	}
	if con.json {
		return con.printJSON(infos)
	}
	w := tabwriter.NewWriter(con.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tCHANNELS\tSIGMA\tPARAMETERS\tPSNR")
	for _, p := range infos {
		psnr := "-"
		if p.PSNR != nil {
			psnr = fmt.Sprintf("%.2f dB", *p.PSNR)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%s\n", p.Name, p.Channels, levels(float64(p.Sigma)), p.Parameters, psnr)
	}
	return w.Flush()
}

// levels writes a noise level in 8-bit levels, as the literature does.
func levels(sigma float64) string { return fmt.Sprintf("%.3g/255", sigma*255) }
