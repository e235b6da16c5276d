package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/urfave/cli/v2"
)

type verifyOptions struct {
	prior string
	size  int
	seed  uint64
	out   string // a copy of the prior with its certificate; "" for none
	half  bool
	force bool
}

func verifyCommand() *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "certify that a prior is an exact proximal operator",
		ArgsUsage: "PRIOR",
		Description: "The signs of the weights and the gain bound of psi are proved: they hold for every image. The\n" +
			"rest is measured at random probes. Some probes are waves of all directions, colours and\n" +
			"amplitudes; f must amplify none of them. The exit status is 1 if anything fails.\n\n" +
			"Example: lpn verify prior" + priorExt,
		Flags: common(
			&cli.IntFlag{Name: "size", Usage: "probe images of `N`xN pixels", DefaultText: "32, or the prior's own size"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the prior with its certificate to `FILE`" + priorExt},
			&cli.BoolFlag{Name: "half", Usage: "store the weights in half precision"},
			&cli.BoolFlag{Name: "force", Usage: "overwrite an output that exists"}),
		Action: action(func(c *cli.Context, con *console) error {
			if err := wantArgs(c, 1, "one prior, built in or a file"); err != nil {
				return err
			}
			o := verifyOptions{
				prior: c.Args().First(), size: c.Int("size"), seed: c.Uint64("seed"),
				out: c.String("output"), half: c.Bool("half"), force: c.Bool("force"),
			}
			return o.run(c.Context, con)
		}),
	}
}

func (o verifyOptions) run(_ context.Context, con *console) error {
	if o.size < 0 || o.size > 1024 {
		return usagef("--size: %d; want 1 to 1024", o.size)
	}
	if o.out != "" {
		if sameFile(o.prior, o.out) {
			return usagef("%s would overwrite itself: choose another output", o.prior)
		}
		if err := mayWrite(o.out, o.force); err != nil {
			return err
		}
	}
	net, err := openPrior(o.prior)
	if err != nil {
		return err
	}
	shape := probeShape(net.Config())
	if o.size > 0 {
		shape.H, shape.W = o.size, o.size
	}
	cert, err := net.Verify(shape, lpn.Probing{Seed: o.seed})
	if err != nil {
		return usageError{err}
	}
	if con.json {
		err = con.printJSON(cert)
	} else {
		err = printCertificate(con, o.prior, cert)
	}
	if err == nil && cert.OK && o.out != "" {
		err = saveCertified(net, cert, o.out, o.half)
	}
	if err == nil && !cert.OK {
		err = fmt.Errorf("%s is not certified: %s", o.prior, strings.Join(cert.Reasons, "; "))
	}
	return err
}

// probeShape is the picture size at which a prior is certified.
func probeShape(c lpn.Config) operators.Shape {
	if c.Height > 0 {
		return operators.Shape{C: c.Channels, H: c.Height, W: c.Width}
	}
	return operators.Shape{C: c.Channels, H: 32, W: 32}
}

func printCertificate(con *console, name string, c lpn.Certificate) error {
	w := tabwriter.NewWriter(con.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "prior\t%s\n", name)
	certificateRows(w, c)
	return w.Flush()
}

// certificateRows writes a certificate as rows of a table: what is proved,
// then what was measured, with what it must be.
func certificateRows(w io.Writer, c lpn.Certificate) {
	row := func(what, format string, args ...any) { fmt.Fprintf(w, what+"\t"+format+"\n", args...) }
	row("certified", "%s", map[bool]string{true: "yes", false: "NO"}[c.OK])
	for _, r := range c.Reasons {
		row("", "%s", r)
	}
	row("proved for every picture", "")
	if c.ConvexWeights != nil {
		row("  weights keep psi convex", "%s", map[bool]string{true: "yes", false: "NO"}[*c.ConvexWeights])
	}
	if c.GainBound != nil {
		row("  gain bound of psi", "%.4f (at most 1: R has a minimum)", *c.GainBound)
	}
	row("  strong convexity of psi", "%.4g", c.StrongConvexity)
	switch {
	case c.LipschitzBound == nil:
	case c.LipschitzBox != nil:
		row("  Lip(f)", "at most %.3g for samples in [%g,%g], pictures of %dx%d", *c.LipschitzBound, c.LipschitzBox[0], c.LipschitzBox[1], c.Shape[1], c.Shape[2])
	default:
		row("  Lip(f)", "at most %.4g", *c.LipschitzBound)
	}
	row(fmt.Sprintf("measured at %d probes of %dx%dx%d", c.Probes, c.Shape[0], c.Shape[1], c.Shape[2]), "")
	row("  Lip(f)", "at least %.4g", c.Lipschitz)
	row("  Jacobian, least eigenvalue", "%.4g", c.JacobianMinEig)
	row("  Jacobian, asymmetry", "%.2g", c.JacobianAsymmetry)
	row("  psi, least slope on a segment", "%.4g", c.PsiConvexity)
	row("  psi not convex on", "%d segments", c.PsiConvexityViolations)
	row("  f against the gradient of psi", "%s", beyondRounding(c.GradientError))
	row("  Fenchel gap", "%.2g", c.FenchelGap)
	row("  inversion residual", "%.2g", c.InversionResidual)
	if c.StripeGain != nil {
		row("  worst wave", "%v", *c.StripeWave)
		row("    its gain", "%.4f (at most 1: R does not prefer waves)", *c.StripeGain)
		row("    lowest R of waves", "%.3g above that of a flat picture", *c.StripeMargin)
	}
	row("  descent raised R in", "%d steps", c.DescentViolations)
}

// beyondRounding is for an error from which rounding was subtracted.
func beyondRounding(v float64) string {
	if v == 0 {
		return "equal up to rounding"
	}
	return fmt.Sprintf("%.2g", v)
}

// saveCertified writes a network with its certificate.
func saveCertified(net *lpn.Network, c lpn.Certificate, path string, half bool) error {
	net, err := net.WithCertificate(c)
	if err != nil {
		return err
	}
	if err := net.Save(path, half); err != nil {
		return fmt.Errorf("%s: %w", path, cause(err))
	}
	return nil
}
