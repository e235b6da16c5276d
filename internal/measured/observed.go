package measured

import (
	"context"
	"slices"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// Lights are what --light takes.
var Lights = map[string]restore.Light{"auto": restore.LightAuto, "linear": restore.LightLinear, "srgb": restore.LightNumbers}

// Observe tells the problem m, read from p, what its samples stand for and which are
// missing, and takes the marks of the latter off the picture. missing is "", "nan", for
// numbers that the file does not have, or "alpha", for transparent pixels.
func Observe(m *restore.Problem, p *imageio.Picture, light restore.Light, missing string) {
	m.Light = light
	if light == restore.LightAuto && (p.Bits >= 32 || p.Linear || p.Number == "") {
		m.Light = restore.LightNumbers // of a detector
	}
	switch missing {
	case "nan":
		m.Missing, p.Missing = p.Missing, nil
	case "alpha":
		if HasHoles(p) {
			m.Missing = make([]bool, len(m.Y.Pix))
			n := p.H * p.W
			for i := range m.Missing {
				m.Missing[i] = p.Alpha[i%n] == 0
			}
			p.Alpha = nil
		}
	}
}

// Weigh is the problem m with the inverse variances w of its samples; with white noise
// they are relative (restore.Problem.Weighted). The error is a *restore.OptionError.
func Weigh(m restore.Problem, w operators.Image) (restore.Problem, error) {
	sigma := 0.0
	if m.Noise != nil {
		n, white := m.Noise.(noise.White)
		if !white {
			return m, &restore.OptionError{Option: "weights", Reason: "goes with --noise auto or a number: another model says the variances itself"}
		}
		sigma = n.Sigma
	}
	return m.Weighted(w, sigma)
}

// HasHoles reports whether a picture is transparent somewhere.
func HasHoles(p *imageio.Picture) bool {
	return slices.ContainsFunc(p.Alpha, func(a uint16) bool { return a < 0xffff })
}

// UndoneFirst says in words what UndoJPEG would do to the picture p, "" for nothing.
func UndoneFirst(m *restore.Problem, p *imageio.Picture) string {
	_, line := undoneFirst(m, p)
	return line
}

func undoneFirst(m *restore.Problem, p *imageio.Picture) (c restore.JPEGChoice, line string) {
	if p.JPEG == nil || !m.Operator.Resamples() || m.Noise != nil {
		return c, ""
	}
	// Above, what is undone goes with detail: docs/pictures.md has the figures.
	const most = 75
	if p.JPEG.Format.Quality() > most {
		return c, ""
	}
	c = restore.ChooseJPEG(p.JPEG.Format, p.JPEG.Decode(), nil)
	if !c.Operator.Rounded() {
		return c, ""
	}
	return c, c.Line + " before it is enlarged"
}

// UndoJPEG undoes the rounding of a small JPEG file before it is enlarged, where the
// noise is to be found: enlarged, blocks would be edges. m, the enlargement read from p,
// then begins with what that came to. It returns what was done, "" for nothing.
func UndoJPEG(ctx context.Context, m *restore.Problem, p *imageio.Picture, r restore.Range, o restore.Options) (string, error) {
	c, line := undoneFirst(m, p)
	if line == "" {
		return "", nil
	}
	first, err := Read(ctx, p, Choice{Spec: c.Operator, Noise: c.Noise, Range: r})
	if err != nil {
		return "", err
	}
	plan, err := restore.New(first.Problem, o)
	if err != nil {
		return "", err
	}
	s, err := plan.Solve(ctx, nil)
	if err != nil {
		return "", err
	}
	if y := p.JPEG.Upright(s.Image); y.Shape == m.Y.Shape {
		m.Y = y
		return line, nil
	}
	return "", nil
}
