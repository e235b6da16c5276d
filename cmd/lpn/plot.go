package main

import (
	"io"

	"github.com/lpn-imaging/lpn/internal/plot"
	"github.com/urfave/cli/v2"
)

// figureFlags say how figures are set.
func figureFlags() []cli.Flag {
	return []cli.Flag{
		&cli.Float64Flag{Name: "width", Value: 160, Usage: "make figures `MM` millimetres wide"},
		&cli.Float64Flag{Name: "font-size", Value: 10, Usage: "size of the labels in figures, in `POINTS`"},
		&cli.BoolFlag{Name: "bare", Usage: "draw figures without titles and captions, for a text that has them"},
	}
}

// styleFrom reads them.
func styleFrom(c *cli.Context) (plot.Style, error) {
	s := plot.Style{Width: c.Float64("width"), FontSize: c.Float64("font-size"), Bare: c.Bool("bare")}
	switch {
	case !(s.Width >= 40 && s.Width <= 1000):
		return s, usagef("--width: %v; want 40 to 1000 millimetres", s.Width)
	case !(s.FontSize >= 4 && s.FontSize <= 40):
		return s, usagef("--font-size: %v; want 4 to 40 points", s.FontSize)
	}
	return s, nil
}

// mayDraw refuses files that no plot goes to, and to overwrite one unless forced.
func mayDraw(path string, force bool) error {
	if format, err := plot.FormatOf(path); err != nil || !plot.Drawn(format) {
		return usagef("%s: a plot goes to a .png, .svg or .pdf file%s", path, plot.Without)
	}
	return mayWrite(path, force)
}

// drawTo writes figures, or their numbers, to a file in the format of its name.
func drawTo(path string, s plot.Style, figures ...plot.Figure) error {
	format, err := plot.FormatOf(path)
	if err != nil {
		return usageError{err}
	}
	return writeFile(path, func(w io.Writer) error { return s.Write(w, format, figures...) })
}
