package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/lpn-imaging/lpn/lpn"
	"github.com/urfave/cli/v2"
)

// A builtin is a prior that ships with the program.
type builtin struct {
	name string
	net  *lpn.Network
}

const priorExt = ".safetensors"

// builtins are the priors embedded in files, by name.
func builtins(files fs.FS) ([]builtin, error) {
	var all []builtin
	err := fs.WalkDir(files, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(p) != priorExt {
			return err
		}
		data, err := fs.ReadFile(files, p)
		if err != nil {
			return err
		}
		net, err := lpn.Read(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return fmt.Errorf("built-in prior %s: %w", p, err)
		}
		all = append(all, builtin{strings.TrimSuffix(path.Base(p), priorExt), net})
		return nil
	})
	slices.SortFunc(all, func(a, b builtin) int { return strings.Compare(a.name, b.name) })
	return all, err
}

// openPrior opens a prior by the name of a built-in one or by file.
func openPrior(name string) (*lpn.Network, error) {
	all, err := builtins(builtinFiles)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, b := range all {
		if b.name == name {
			return b.net, nil
		}
		names = append(names, b.name)
	}
	if st, err := os.Stat(name); err == nil && st.IsDir() {
		return nil, usagef("--prior: %s is a folder, not a file", name)
	}
	net, err := lpn.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		if strings.ContainsAny(name, `./\`) {
			return nil, usagef("--prior: %s: no such file", name)
		}
		return nil, usagef("--prior: no built-in prior and no file %q%s; built in: %s", name, suggest(name, names), strings.Join(names, ", "))
	}
	return net, err
}

// choosePrior picks the built-in prior for pictures of the given channels and
// noise: one for as many channels where there is one, else a gray one, the
// nearest in the logarithm of its noise level.
func choosePrior(channels int, noise float64) (name string, net *lpn.Network, err error) {
	all, err := builtins(builtinFiles)
	if err != nil {
		return "", nil, err
	}
	rank := func(b builtin) (int, float64) {
		c := b.net.Config()
		// Those of natural pictures are named after channels and noise level;
		// the others are for those who ask for them.
		if c.Height > 0 || !strings.HasPrefix(b.name, "gray-") && !strings.HasPrefix(b.name, "colour-") {
			return 3, 0
		}
		far := math.Abs(math.Log(max(noise, 1e-4) / c.Sigma))
		switch c.Channels {
		case channels:
			return 0, far
		case 1:
			return 1, far
		}
		return 2, far
	}
	if len(all) == 0 {
		return "", nil, usagef("no prior is built in: name one with --prior FILE")
	}
	best := slices.MinFunc(all, func(a, b builtin) int {
		ka, fa := rank(a)
		kb, fb := rank(b)
		return cmp.Or(cmp.Compare(ka, kb), cmp.Compare(fa, fb))
	})
	return best.name, best.net, nil
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
	all, err := builtins(builtinFiles)
	if err != nil {
		return err
	}
	infos := []priorInfo{}
	for _, b := range all {
		infos = append(infos, describe(b.name, b.net))
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
		}{info, n.Config(), cert})
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
