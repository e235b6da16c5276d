package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"

	"github.com/lpn-imaging/lpn/internal/plot"
	"github.com/lpn-imaging/lpn/lpn/explore"
	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/urfave/cli/v2"
)

type noiseOptions struct {
	restoreOptions
	model, plot string
	style       plot.Style
}

func noiseCommand() *cli.Command {
	return &cli.Command{
		Name:      "noise",
		Usage:     "estimate the noise of a picture",
		ArgsUsage: "IMAGE",
		Description: "Estimates the noise as restore --noise auto does, and changes nothing. It prints the standard\n" +
			"deviation, how this depends on brightness, and how pixels are correlated. -o writes the model;\n" +
			"restore, degrade and train read it with --noise FILE.json. So the noise of one picture serves\n" +
			"for others of the same camera and setting.\n\n" +
			"Examples:\n" +
			"lpn noise photo.jpg\n" +
			"lpn noise photo.png -o camera.json --plot noise.svg",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the model to `FILE.json`"},
			&cli.StringFlag{Name: "plot", Usage: "draw the deviation over the brightness, and the spectrum, to `FILE`.svg, .png, .csv or .npz"},
			&cli.StringFlag{Name: "range", Usage: "the numbers in the file that are black and white, `LO:HI`", DefaultText: "full scale of integers; estimated for floats, and of 16 bits where the upper two are not used"},
			&cli.IntFlag{Name: "page", Usage: "use page `N` of a file of several, counted from 1"},
			&cli.BoolFlag{Name: "gray", Usage: "convert to luma (BT.601) first"},
			&cli.BoolFlag{Name: "force", Usage: "overwrite existing files"},
		}, common(figureFlags()...)...),
		Action: action(func(c *cli.Context, con *console) error {
			if err := wantArgs(c, 1, "one picture"); err != nil {
				return err
			}
			o := noiseOptions{model: c.String("output"), plot: c.String("plot")}
			o.gray, o.page = c.Bool("gray"), pageChoice{number: c.Int("page")}
			var err error
			if o.scale, err = rangeFrom(c); err != nil {
				return err
			}
			if o.style, err = styleFrom(c); err != nil {
				return err
			}
			for _, path := range []string{o.model, o.plot} {
				if path == "" {
					continue
				}
				if err := mayWrite(path, c.Bool("force")); err != nil {
					return err
				}
			}
			if o.plot != "" {
				if _, err := plot.FormatOf(o.plot); err != nil {
					return usageError{err}
				}
			}
			return o.run(c.Context, con, c.Args().First())
		}),
	}
}

// A noiseReport is the noise of a picture as JSON; levels are in units of the
// picture's range.
type noiseReport struct {
	Input      string          `json:"input"`
	Line       string          `json:"line"`
	Deviation  float64         `json:"deviation"`
	Confidence float64         `json:"confidence"`
	Quality    *int            `json:"jpeg_quality,omitempty"`
	Brightness explore.Numbers `json:"brightness"`
	// Deviations are those at the brightnesses, a list a channel.
	Deviations []explore.Numbers `json:"deviations"`
	// Spectrum is the power at the frequencies k/16 cycles a pixel, k = 0..7,
	// along a row; 1 everywhere for white noise.
	Frequency explore.Numbers   `json:"frequency"`
	Spectrum  []explore.Numbers `json:"spectrum"`
	Model     json.RawMessage   `json:"model"`
}

func (o noiseOptions) run(ctx context.Context, con *console, path string) error {
	if isMeasurement(path) {
		return usagef("%s is a measurement: noise is estimated in pictures", path)
	}
	in, err := o.read(ctx, con, path)
	if err != nil {
		return err
	}
	m := in.problem
	plan, err := restore.New(m, restore.Options{Choose: priors.For})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	r := noiseReport{Input: path, Line: plan.NoiseLine, Deviation: plan.Noise, Confidence: plan.Confidence}
	if r.Line == "" {
		r.Line = "no noise was found"
	}
	if q := m.Hints.Quality; q > 0 {
		r.Quality = &q
	}
	given := plan.GivenNoise()
	r.measure(given, plan.Range, m.Y)
	if r.Model, err = noise.Marshal(given, plan.Confidence); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if o.model != "" {
		err := writeFile(o.model, func(w io.Writer) error {
			_, err := w.Write(append(r.Model, '\n'))
			return err
		})
		if err != nil {
			return err
		}
	}
	if o.plot != "" {
		if err := drawTo(o.plot, o.style, r.figures()...); err != nil {
			return err
		}
	}
	if con.json {
		return con.printJSON(r)
	}
	return r.print(con.out, plan.Range)
}

// brightnesses is how many brightnesses a report has.
const brightnesses = 17

// measure evaluates a model over the range of its picture.
func (r *noiseReport) measure(m noise.Model, scale restore.Range, y operators.Image) {
	spectrum := noise.Flat(y.C)
	if c, ok := m.(noise.Correlated); ok {
		m, spectrum = c.Model, c.Spectrum
	}
	channels := spectrum.C
	s := operators.Shape{C: channels, H: 1, W: 1}
	r.Deviations = make([]explore.Numbers, channels)
	r.Spectrum = make([]explore.Numbers, channels)
	for k := range brightnesses {
		at := scale.Lo + (scale.Hi-scale.Lo)*float64(k)/(brightnesses-1)
		r.Brightness = append(r.Brightness, at)
		v := make([]float32, channels)
		for c := range v {
			v[c] = float32(at)
		}
		m.Variance(v, v, s)
		for c := range v {
			r.Deviations[c] = append(r.Deviations[c], math.Sqrt(float64(v[c])))
		}
	}
	for k := range noise.Side {
		r.Frequency = append(r.Frequency, float64(k)/(2*noise.Side))
		for c := range channels {
			r.Spectrum[c] = append(r.Spectrum[c], (spectrum.At(0, k)[c*channels+c]+spectrum.At(k, 0)[c*channels+c])/2)
		}
	}
}

// channelName names the channels of colour; others are counted.
func channelName(c, channels int) string {
	switch channels {
	case 1:
		return ""
	case 3:
		return [3]string{"red", "green", "blue"}[c]
	}
	return fmt.Sprintf("channel %d", c+1)
}

// figures are the deviation over the brightness and the power over the frequency.
func (r noiseReport) figures() []plot.Figure {
	level := plot.Lines{Title: r.Line, X: "brightness", Y: "standard deviation"}
	power := plot.Lines{X: "frequency (cycles a pixel)", Y: "power (white noise: 1)"}
	for c := range r.Deviations {
		name := channelName(c, len(r.Deviations))
		level.Series = append(level.Series, plot.Series{Name: name, X: r.Brightness, Y: r.Deviations[c]})
		power.Series = append(power.Series, plot.Series{Name: name, X: r.Frequency, Y: r.Spectrum[c], Points: true})
	}
	return []plot.Figure{level, power}
}

// white reports whether the noise has one deviation everywhere and no correlation.
func (r noiseReport) white() bool {
	for c := range r.Deviations {
		if slices.Max(r.Deviations[c]) != r.Deviations[0][0] || slices.Min(r.Deviations[c]) != r.Deviations[0][0] ||
			slices.Max(r.Spectrum[c]) != slices.Min(r.Spectrum[c]) {
			return false
		}
	}
	return true
}

func (r noiseReport) print(out io.Writer, scale restore.Range) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	// People think of levels in 255ths of the range.
	unit, level := 1.0, "%.3g"
	if scale == restore.Unit {
		unit, level = 255, "%.1f/255"
	}
	text := func(v float64) string { return fmt.Sprintf(level, v*unit) }
	fmt.Fprintf(w, "%s\t%s\n", r.Input, r.Line)
	fmt.Fprintf(w, "deviation\t%s, confidence %.0f%%\n", text(r.Deviation), 100*r.Confidence)
	if r.Quality != nil {
		fmt.Fprintf(w, "JPEG\tquality %d\n", *r.Quality)
	}
	if r.white() {
		return w.Flush()
	}
	fmt.Fprintf(w, "\t\n\tdark\tmiddle\tbright\tpower, coarse to fine (white: 1)\n")
	for c, d := range r.Deviations {
		n, p := len(d)-1, r.Spectrum[c]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.2f  %.2f  %.2f  %.2f\n", cmp.Or(channelName(c, len(r.Deviations)), "deviation"),
			text(d[n/8]), text(d[n/2]), text(d[n-n/8]), p[0], p[2], p[4], p[7])
	}
	return w.Flush()
}
