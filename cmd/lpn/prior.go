package main

import (
	"fmt"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/plot"
	"github.com/lpn-imaging/lpn/lpn/explore"
	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/urfave/cli/v2"
)

func priorCommand() *cli.Command {
	return &cli.Command{
		Name:        "prior",
		Usage:       "explore a learned log-prior",
		Subcommands: []*cli.Command{priorValueCommand(), priorPathCommand(), priorMapCommand(), priorCurveCommand(), priorSliceCommand()},
		Action: func(c *cli.Context) error {
			return usagef("prior wants one of: value, path, map, curve, slice (lpn help prior)")
		},
	}
}

// An explorer is what the prior commands that draw share.
type explorer struct {
	prior    string
	crop     int
	scale    float64
	ensemble bool
	out      []string
	force    bool
	seed     uint64
	style    plot.Style
}

func explorerFlags(more ...cli.Flag) []cli.Flag {
	return common(append(append(more, figureFlags()...),
		&cli.StringFlag{Name: "prior", Usage: "`NAME` of a built-in prior, or a file", DefaultText: "the built-in one that fits the channels"},
		&cli.IntFlag{Name: "crop", Usage: "use the middle `N`xN pixels (default: the whole image)"},
		&cli.Float64Flag{Name: "scale", Value: 1, Usage: "use the prior for `S` times less noise, R(S x)/S^2"},
		&cli.BoolFlag{Name: "ensemble", Usage: "average psi over the 8 flips and rotations; still an exact prox"},
		&cli.StringSliceFlag{Name: "output", Aliases: []string{"o"}, Usage: "draw to `FILE`.png, .svg or .pdf, write numbers to .csv or .npz; may be repeated"},
		&cli.BoolFlag{Name: "force", Usage: "overwrite outputs that exist"})...)
}

func explorerFrom(c *cli.Context) (explorer, error) {
	e := explorer{
		prior: c.String("prior"), crop: c.Int("crop"), scale: c.Float64("scale"), ensemble: c.Bool("ensemble"),
		out: c.StringSlice("output"), force: c.Bool("force"), seed: c.Uint64("seed"),
	}
	var err error
	if e.style, err = styleFrom(c); err != nil {
		return e, err
	}
	if e.crop < 0 {
		return e, usagef("--crop: %d; want a positive number", e.crop)
	}
	if !(e.scale > 0 && e.scale < 1e6) {
		return e, usagef("--scale: %v; want a positive number", e.scale)
	}
	for _, to := range e.out {
		if _, err := plot.FormatOf(to); err != nil {
			return e, usageError{err}
		}
		for _, in := range append(c.Args().Slice(), c.StringSlice("overlay")...) {
			if sameFile(to, in) || sameFile(to, e.prior) {
				return e, usagef("%s is read: it would be overwritten", to)
			}
		}
		if err := mayWrite(to, e.force); err != nil {
			return e, err
		}
	}
	return e, nil
}

// openFor opens the prior of a name, "" standing for the built-in one that fits
// pictures of the given channels, and returns the channels that it is for.
func openFor(name string, channels int) (p explore.Prior, wants int, err error) {
	found := priors.For(channels, 25./255)
	if name != "" {
		if found, err = findPrior(name); err != nil {
			return p, 0, err
		}
	}
	net, err := found.Network()
	if err != nil {
		return p, 0, err
	}
	return explore.Of(found.Name, net), found.Channels, nil
}

// open is openFor, then combined.
func (e explorer) open(name string, channels int) (explore.Prior, int, error) {
	p, wants, err := openFor(name, channels)
	if err != nil {
		return p, 0, err
	}
	return e.combined(p), wants, nil
}

// combined applies --scale and --ensemble to a prior.
func (e explorer) combined(p explore.Prior) explore.Prior {
	if e.ensemble {
		p = p.Ensemble()
	}
	if e.scale != 1 {
		p = p.Scaled(e.scale)
	}
	return p
}

// openAt opens the prior for one picture, and the picture.
func (e explorer) openAt(con *console, path string) (explore.Prior, operators.Image, error) {
	p, err := readPicture(con, path)
	if err != nil {
		return explore.Prior{}, operators.Image{}, missing(err)
	}
	prior, channels, err := e.open(e.prior, p.C)
	if err != nil {
		return prior, operators.Image{}, err
	}
	return prior, e.fit(p, channels), nil
}

// picture reads a picture and fits it to a prior of the given channels.
func (e explorer) picture(con *console, path string, channels int) (operators.Image, error) {
	p, err := readPicture(con, path)
	if err != nil {
		return operators.Image{}, missing(err)
	}
	return e.fit(p, channels), nil
}

// fit is a picture as a prior of the given channels takes it: cropped, and in
// luma if the prior is gray.
func (e explorer) fit(p *imageio.Picture, channels int) operators.Image {
	if channels == 1 && p.C == 3 {
		p = p.Luma()
	}
	return e.cropped(p.Image)
}

func (e explorer) cropped(m operators.Image) operators.Image {
	if e.crop > 0 && (e.crop < m.H || e.crop < m.W) {
		return restore.Centre(m, min(e.crop, m.H), min(e.crop, m.W))
	}
	return m
}

// write draws figures, or writes their numbers, to every output.
func (e explorer) write(numbers explore.Data, figures ...plot.Figure) error {
	for _, to := range e.out {
		format, err := plot.FormatOf(to)
		if err != nil {
			return usageError{err}
		}
		switch format {
		case "csv":
			err = writeFile(to, numbers.CSV)
		case "npz":
			err = writeFile(to, numbers.NPZ)
		default:
			err = drawTo(to, e.style, figures...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// named puts the picture's name before an error.
func named(path string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", path, err)
}
