package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/urfave/cli/v2"
)

type applyOptions struct {
	prior, in, out, psi string
	force               bool
}

func applyCommand() *cli.Command {
	return &cli.Command{
		Name:      "apply",
		Usage:     "evaluate f(y), without a solver and without clipping",
		ArgsUsage: "PRIOR IN.npy",
		Description: "IN is float32 or float64 of shape N×C×H×W, C×H×W or H×W; for a 1-D prior N×1 or N. The output\n" +
			"is float32 of the same shape.\n\n" +
			"Example: lpn apply prior.safetensors noisy.npy -o f.npy --psi psi.npy",
		Flags: common(
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write f(y) to `FILE`.npy, or - for stdout"},
			&cli.StringFlag{Name: "psi", Usage: "also write psi of each sample to `FILE`.npy"},
			&cli.BoolFlag{Name: "force", Usage: "overwrite outputs that exist"}),
		Action: action(func(c *cli.Context, con *console) error {
			if err := wantArgs(c, 2, "a prior and a .npy file"); err != nil {
				return err
			}
			o := applyOptions{prior: c.Args().Get(0), in: c.Args().Get(1), out: c.String("output"), psi: c.String("psi"), force: c.Bool("force")}
			return o.run(c.Context, con)
		}),
	}
}

func (o applyOptions) run(ctx context.Context, con *console) error {
	if o.out == "" {
		return usagef("apply wants -o OUT.npy")
	}
	if o.out == "-" && con.json {
		return usagef("-o - and --json both want stdout")
	}
	for _, to := range []string{o.out, o.psi} {
		if to == "" || to == "-" {
			continue
		}
		if strings.ToLower(filepath.Ext(to)) != ".npy" && isRegular(to) {
			return usagef("%s: apply writes .npy files", to)
		}
		for _, in := range []string{o.in, o.prior} {
			if sameFile(in, to) {
				return usagef("%s would overwrite itself: choose another output", in)
			}
		}
		if err := mayWrite(to, o.force); err != nil {
			return err
		}
	}
	net, err := openPrior(o.prior)
	if err != nil {
		return err
	}
	var y *imageio.Array
	if o.in == "-" {
		if y, err = imageio.DecodeArray(con.in); err != nil {
			err = fmt.Errorf("stdin: %w", err)
		}
	} else {
		y, err = imageio.ReadArray(o.in)
	}
	if err != nil {
		return missing(err)
	}
	n, shape, err := samples(net.Config(), y.Shape)
	if err != nil {
		return fmt.Errorf("%s: %w", o.in, err)
	}
	f := &imageio.Array{Shape: y.Shape, Data: make([]float32, len(y.Data))}
	psi := make([]float64, n)
	start := time.Now()
	if err := evaluate(ctx, net, shape, f.Data, y.Data, psi); err != nil {
		return err
	}
	seconds := time.Since(start).Seconds()
	if o.out == "-" {
		err = imageio.EncodeArray(con.out, f)
	} else {
		err = imageio.WriteArray(o.out, f)
	}
	if err != nil {
		return err
	}
	if o.psi != "" {
		p := &imageio.Array{Shape: []int{n}}
		for _, v := range psi {
			p.Data = append(p.Data, float32(v))
		}
		if err := imageio.WriteArray(o.psi, p); err != nil {
			return err
		}
	}
	if con.json {
		return con.printJSON(struct {
			N       int    `json:"n"`
			Seconds number `json:"seconds"`
		}{n, number(seconds)})
	}
	con.remark("%d samples in %.3g s", n, seconds)
	return nil
}

// samples reads an array's dims as n pictures of one shape for a network.
func samples(c lpn.Config, dims []int) (n int, s operators.Shape, err error) {
	total := 1
	for _, d := range dims {
		total *= d
	}
	flat := c.Channels == 1 && c.Height == 1 && c.Width == 1
	n = 1
	switch {
	case flat && (len(dims) == 1 || len(dims) == 2 && dims[1] == 1):
		n, s = dims[0], operators.Shape{C: 1, H: 1, W: 1}
	case len(dims) == 2:
		s = operators.Shape{C: 1, H: dims[0], W: dims[1]}
	case len(dims) == 3:
		s = operators.Shape{C: dims[0], H: dims[1], W: dims[2]}
	case len(dims) == 4:
		n, s = dims[0], operators.Shape{C: dims[1], H: dims[2], W: dims[3]}
	default:
		return 0, s, fmt.Errorf("an array of %d dimensions: want NxCxHxW, CxHxW or HxW (1-D priors: Nx1 or N)", len(dims))
	}
	if total == 0 {
		return 0, s, fmt.Errorf("an array of shape %v holds nothing", dims)
	}
	if s.C != c.Channels {
		return 0, s, fmt.Errorf("channels: the array has %d, the prior wants %d", s.C, c.Channels)
	}
	return n, s, nil
}

// evaluate writes f of each sample to dst and psi to psi, in runs of samples
// that keep the memory of the network bounded.
func evaluate(ctx context.Context, net *lpn.Network, s operators.Shape, dst, y []float32, psi []float64) error {
	const most = 1 << 20 // samples a run
	run := max(1, min(len(psi), most/s.Len()))
	var bound *lpn.Bound
	for i := 0; i < len(psi); i += run {
		if err := ctx.Err(); err != nil {
			return err
		}
		if k := min(run, len(psi)-i); bound == nil || k < run {
			var err error
			if bound, err = net.On(s, lpn.Batch(k)); err != nil {
				return err
			}
			run = k
		}
		lo, hi := i*s.Len(), (i+run)*s.Len()
		bound.EvalEach(dst[lo:hi], y[lo:hi], psi[i:i+run])
	}
	return nil
}

// mayWrite refuses to overwrite a file unless forced, and a folder always.
func mayWrite(path string, force bool) error {
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		return usagef("%s is a folder, not a file", path)
	}
	if _, err := os.Lstat(path); err == nil && !force && isRegular(path) {
		return usagef("%s exists: --force overwrites it", path)
	}
	return nil
}
