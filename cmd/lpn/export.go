package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"

	"github.com/lpn-imaging/lpn/internal/atomicfile"
	"github.com/lpn-imaging/lpn/internal/onnx"
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/urfave/cli/v2"
)

type exportOptions struct {
	prior, out   string
	check, force bool
	seed         uint64
}

func exportCommand() *cli.Command {
	return &cli.Command{
		Name:      "export",
		Usage:     "write f and psi of a prior as an ONNX graph for other programs",
		ArgsUsage: "PRIOR",
		Description: fmt.Sprintf("The input of the graph is y, N×C×H×W in [0,1] units. N, H and W are free, unless the prior has a\n"+
			"fixed H and W. The outputs are f, of the same shape, and psi, of shape N, as lpn apply computes\n"+
			"them. Numbers are float32, the operator set is version %d. The metadata holds sigma, the certificate and\n"+
			"the licence.\n\n"+
			"--check reads the graph back, evaluates it at two odd sizes with plain Go loops that share no\n"+
			"code with the engine and the exporter, and writes the file only if f and psi agree with the\n"+
			"engine to 1e-5. It needs no other program.\n\n"+
			"Example: lpn export gray-25 --check -o gray-25.onnx", onnx.Opset),
		Flags: common(
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the graph to `FILE`.onnx"},
			&cli.BoolFlag{Name: "check", Usage: "evaluate the graph and compare with the engine before it is written"},
			&cli.BoolFlag{Name: "force", Usage: "overwrite an output that exists"}),
		Action: action(func(c *cli.Context, con *console) error {
			if err := wantArgs(c, 1, "one prior, built in or a file"); err != nil {
				return err
			}
			o := exportOptions{prior: c.Args().First(), out: c.String("output"), check: c.Bool("check"), force: c.Bool("force"), seed: c.Uint64("seed")}
			return o.run(c.Context, con)
		}),
	}
}

const onnxExt = ".onnx"

func (o exportOptions) run(ctx context.Context, con *console) error {
	switch {
	case o.out == "":
		return usagef("export wants -o FILE%s", onnxExt)
	case strings.ToLower(filepath.Ext(o.out)) != onnxExt:
		return usagef("%s: export writes %s files", o.out, onnxExt)
	case sameFile(o.prior, o.out):
		return usagef("%s would overwrite itself: choose another output", o.prior)
	}
	if err := mayWrite(o.out, o.force); err != nil {
		return err
	}
	net, err := openPrior(o.prior)
	if err != nil {
		return err
	}
	if _, err := priors.Open(o.prior); err == nil {
		net = net.WithMeta("licence", shippedLicence)
	}
	var graph bytes.Buffer
	if err := net.WriteONNX(&graph); err != nil {
		return err
	}
	report := exportReport{Output: o.out, Bytes: graph.Len(), Opset: onnx.Opset, Parameters: net.Config().NumParams()}
	if o.check {
		if report.Checks, err = checkGraph(ctx, net, graph.Bytes(), o.seed); err != nil {
			return fmt.Errorf("%s: %w", o.prior, err)
		}
	}
	err = atomicfile.Write(o.out, func(w io.Writer) error {
		_, err := w.Write(graph.Bytes())
		return err
	})
	if err != nil {
		return err
	}
	if con.json {
		return con.printJSON(report)
	}
	for _, c := range report.Checks {
		con.remark("%s: f differs from the engine's by at most %.2g, psi by %.2g of itself", operators.Shape{C: c.Shape[1], H: c.Shape[2], W: c.Shape[3]}, c.F, c.Psi)
	}
	con.remark("%s -> %s: %d bytes", o.prior, o.out, report.Bytes)
	return nil
}

// shippedLicence is that of this module, and so of the priors in it.
const shippedLicence = "BSD-3-Clause"

type exportReport struct {
	Output     string       `json:"output"`
	Bytes      int          `json:"bytes"`
	Opset      int          `json:"opset"`
	Parameters int          `json:"parameters"`
	Checks     []graphCheck `json:"checks,omitempty"`
}

// A graphCheck is how far the graph is from the engine on random pictures.
type graphCheck struct {
	Shape [4]int `json:"shape"` // N, C, H, W
	F     number `json:"f"`     // the largest difference, in picture units
	Psi   number `json:"psi"`   // relative
}

// graphTolerance is what single precision leaves of a picture with samples up to 1,
// some rounding errors of 6e-8 in each of some ten layers.
const graphTolerance = 1e-5

// checkGraph evaluates the graph and the network at two sizes, one smaller than the
// margins of any filter.
func checkGraph(ctx context.Context, net *lpn.Network, graph []byte, seed uint64) ([]graphCheck, error) {
	m, err := onnx.Unmarshal(graph)
	if err != nil {
		return nil, err
	}
	c := net.Config()
	shapes := []operators.Shape{{C: c.Channels, H: 21, W: 34}, {C: c.Channels, H: 3, W: 5}}
	if c.Height > 0 {
		shapes = []operators.Shape{{C: c.Channels, H: c.Height, W: c.Width}}
	}
	var checks []graphCheck
	for _, s := range shapes {
		if c.Fits(s.H, s.W) != nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		k, err := compareGraph(net, m, s, rand.New(rand.NewPCG(seed, uint64(s.H))))
		if err != nil {
			return nil, err
		}
		if !(k.F <= graphTolerance && k.Psi <= graphTolerance) {
			return nil, fmt.Errorf("the graph differs from the engine on pictures of %v: f by %.2g, psi by %.2g of itself", s, k.F, k.Psi)
		}
		checks = append(checks, k)
	}
	return checks, nil
}

// compareGraph evaluates a pair of pictures of uniform samples, with noise.
func compareGraph(net *lpn.Network, m *onnx.Model, s operators.Shape, rng *rand.Rand) (graphCheck, error) {
	const n = 2
	k := graphCheck{Shape: [4]int{n, s.C, s.H, s.W}}
	bound, err := net.On(s, lpn.Batch(n))
	if err != nil {
		return k, err
	}
	y := make([]float32, n*s.Len())
	in := onnx.Array{Dims: k.Shape[:], Data: make([]float64, len(y))}
	for i := range y {
		y[i] = float32(rng.Float64() + net.Config().Sigma*rng.NormFloat64())
		in.Data[i] = float64(y[i])
	}
	psi := make([]float64, n)
	bound.EvalEach(y, y, psi)
	out, err := m.Run(map[string]onnx.Array{"y": in})
	if err != nil {
		return k, err
	}
	f, p := out["f"].Data, out["psi"].Data
	if len(f) != len(y) || len(p) != n {
		return k, fmt.Errorf("the graph gives f of dims %v and psi of %v", out["f"].Dims, out["psi"].Dims)
	}
	for i, v := range f {
		k.F = max(k.F, number(math.Abs(v-float64(y[i]))))
	}
	for i, v := range p {
		k.Psi = max(k.Psi, number(math.Abs(v-psi[i])/max(math.Abs(psi[i]), 1e-3)))
	}
	return k, nil
}
