package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/lpn-imaging/lpn/internal/flags"
	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/plot"
	"github.com/lpn-imaging/lpn/lpn/blind"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/urfave/cli/v2"
)

type psfOptions struct {
	style   plot.Style
	inputs  []string
	spec    operators.Spec // blur:auto
	noise   noise.Model
	start   string
	out     string
	plot    string
	force   bool
	recurse bool
}

func psfCommand() *cli.Command {
	return &cli.Command{
		Name:      "psf",
		Usage:     "estimate how pictures were blurred",
		ArgsUsage: "INPUT...",
		Description: "Estimates the kernel (the point-spread function) from the picture itself and names its kind:\n" +
			"sharp, gaussian, disk (out of focus), motion (a straight line) or free. It prints the parameters\n" +
			"with 95% intervals. -o writes the kernel, rows x columns of float32 that sum to 1, for lpn\n" +
			"restore --operator blur:kernel=FILE.\n\n" +
			"Examples:\n" +
			"lpn psf shaken.jpg -o psf.npy --plot psf.png\n" +
			"lpn psf --kind disk --json photos/",
		Flags: common(append(figureFlags(),
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the kernel of one picture to `FILE`.npy"},
			&cli.StringFlag{Name: "plot", Usage: "draw the kernel of one picture, next to the picture, to `FILE`.png, .svg or .pdf"},
			&cli.StringFlag{Name: "kind", Usage: "look for one `KIND` of blur only: free, gaussian, disk or motion", DefaultText: "the one that fits"},
			&cli.IntFlag{Name: "size", Usage: "side of a free kernel, an odd `N`", DefaultText: "27, or as many as it needs"},
			&cli.StringFlag{Name: "noise", Value: noise.Auto, Usage: "standard deviation `S` of the noise, as 0.01 or 2/255, or auto"},
			&cli.StringFlag{Name: "psf-start", Usage: "begin the search with the kernel in `FILE`"},
			&cli.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "also work on the folders below a folder"},
			&cli.BoolFlag{Name: "force", Usage: "overwrite outputs that exist"})...),
		Action: action(func(c *cli.Context, con *console) error {
			text := "blur:auto"
			if kind := c.String("kind"); kind != "" {
				text += ",kind=" + kind
			}
			if c.IsSet("size") {
				text += fmt.Sprintf(",size=%d", c.Int("size"))
			}
			spec, err := operators.ParseSpec(text)
			if err != nil {
				return usagef("--kind, --size: %w", errors.Unwrap(err))
			}
			model, err := parseNoise(c.String("noise"))
			if err != nil {
				return err
			}
			style, err := styleFrom(c)
			if err != nil {
				return err
			}
			o := psfOptions{
				style:  style,
				inputs: c.Args().Slice(), spec: spec, noise: model, start: c.String("psf-start"), out: c.String("output"),
				plot: c.String("plot"), force: c.Bool("force"), recurse: c.Bool("recursive"),
			}
			return o.run(c.Context, con)
		}),
	}
}

// A foundPSF is what JSON shows of a blur.
type foundPSF struct {
	Input  string `json:"input"`
	Output string `json:"output,omitempty"`
	blind.Found
}

func (o psfOptions) run(ctx context.Context, con *console) error {
	inputs, batch, err := expand(o.inputs, o.recurse, imageio.Extensions, "")
	if err != nil {
		return err
	}
	var jobs []job
	for _, in := range inputs {
		jobs = append(jobs, job{input: in, to: o.out})
	}
	if batch && (o.out != "" || o.plot != "") {
		return usagef("-o and --plot go with one picture")
	}
	if err := checkPSF("-o", o.out, jobs[0].path, o.force); err != nil {
		return err
	}
	if o.plot != "" {
		if err := mayDraw(o.plot, o.force); err != nil {
			return err
		}
	}
	start, err := flags.Kernel(o.start)
	if err != nil {
		return asUsage(missing(err))
	}
	return con.each(ctx, jobs, runOfJobs{what: "looking", batch: batch}, func(ctx context.Context, j job) (any, string, error) {
		p, err := readPicture(con, j.path)
		if err != nil {
			return nil, "", err
		}
		problem := restore.Problem{Y: p.Image, Operator: o.spec, Noise: o.noise}
		if p.JPEG != nil {
			problem.Hints.Quality = p.JPEG.Format.Quality()
		}
		m, err := restore.FindBlur(ctx, problem, start)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", j.path, err)
		}
		if o.out != "" {
			if err := writePSF(o.out, m.Blur); err != nil {
				return nil, "", err
			}
		}
		if o.plot != "" {
			if err := drawPSF(o.plot, o.style, p.Image, m.Blur); err != nil {
				return nil, "", err
			}
		}
		return foundPSF{j.path, o.out, m.Blur.Found()}, fmt.Sprintf("%s: %v", j.path, m.Blur), nil
	})
}

// checkPSF checks where a kernel goes; "" is nowhere.
func checkPSF(flag, path, in string, force bool) error {
	switch {
	case path == "":
		return nil
	case strings.ToLower(filepath.Ext(path)) != ".npy":
		return usagef("%s: %s: a kernel goes to a .npy file", flag, path)
	case sameFile(path, in):
		return usagef("%s would overwrite itself: choose another output", in)
	}
	return mayWrite(path, force)
}

func writePSF(path string, e *blind.Estimate) error {
	m := e.Image()
	return imageio.WriteArray(path, &imageio.Array{Shape: []int{m.H, m.W}, Data: m.Pix})
}

// drawPSF draws a kernel, its largest tap white, next to the part of the picture with
// most contrast, both enlarged from the same number of pixels.
func drawPSF(path string, style plot.Style, y operators.Image, e *blind.Estimate) error {
	m := e.Image()
	top := float32(0)
	for _, t := range m.Pix {
		top = max(top, t)
	}
	side := max(m.H+4, 15)
	k := operators.NewImage(operators.Shape{C: 1, H: side, W: side})
	for i := range m.H {
		for j := range m.W {
			k.Pix[(i+(side-m.H)/2)*side+j+(side-m.W)/2] = m.Pix[i*m.W+j] / top
		}
	}
	n := min(max(4*side, 96), y.H, y.W)
	at, left := plot.Busiest(y, n, n)
	crop := plot.Zoomed(fmt.Sprintf("%dx%d pixels of the picture", n, n), plot.Cell{Picture: y}, at, left, n, n)
	name := fmt.Sprintf("kernel, %d taps a side", m.H)
	return drawTo(path, style, plot.Sheet{Title: e.String(), Rows: [][]plot.Cell{{{Caption: name, Picture: k}, crop}}})
}

// checkPSF checks --psf-out and --psf-start.
func (o restoreOptions) checkPSF(jobs []job, batch bool) error {
	switch {
	case o.psfOut == "" && o.psfStart == "":
		return nil
	case !o.spec.Auto():
		return usagef("--psf-out and --psf-start go with --operator blur:auto")
	case o.psfOut != "" && batch:
		return usagef("--psf-out goes with one input")
	}
	return checkPSF("--psf-out", o.psfOut, jobs[0].path, o.out.force)
}
