package plot

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/lpn/explore"
	"github.com/lpn-imaging/lpn/operators"
)

// Paths draws R along paths: for each prior the mean over its pictures with a
// band of one standard deviation, or the line of the only one.
func Paths(priors ...[]explore.PathResult) Lines {
	var f Lines
	for _, paths := range priors {
		first := paths[0]
		f.X, f.Y = first.Parameter, pathLabel(first)
		mean, sd := explore.Spread(paths)
		s := Series{Name: short(first.Prior), X: first.Levels, Y: mean, Points: true}
		if n := len(paths); n > 1 {
			s.Name += fmt.Sprintf(", mean ± deviation of %d", n)
			for k := range mean {
				s.Lo, s.Hi = append(s.Lo, mean[k]-sd[k]), append(s.Hi, mean[k]+sd[k])
			}
		}
		f.Series = append(f.Series, s)
	}
	return f
}

// PathBoxes draws R along the paths of one prior as a box a level.
func PathBoxes(paths []explore.PathResult) Boxes {
	b := Boxes{X: paths[0].Parameter, Y: pathLabel(paths[0])}
	for k, l := range paths[0].Levels {
		g := Group{Label: fmt.Sprintf("%.3g", l)}
		for _, p := range paths {
			g.Values = append(g.Values, p.Values[k])
		}
		b.Groups = append(b.Groups, g)
	}
	return b
}

// pathLabel names the values of a path.
func pathLabel(r explore.PathResult) string {
	label := "R/σ² per sample (nats)"
	if r.Change {
		label = "change of " + label
	}
	return label
}

// PathExamples shows a picture at up to most of the levels, evenly chosen.
func PathExamples(x operators.Image, by explore.Perturbation, levels []float64, most int) Sheet {
	var row []Cell
	n := min(most, len(levels))
	for k := range n {
		l := levels[k*(len(levels)-1)/max(1, n-1)]
		m := operators.NewImage(x.Shape)
		by.Apply(m, x, l)
		row = append(row, Cell{Caption: fmt.Sprintf("%.3g", l), Picture: m})
	}
	return Sheet{Rows: [][]Cell{row}}
}

// Map draws where in a picture R is large, next to the picture.
func Map(r explore.MapResult, x operators.Image, title string) Heat {
	return Heat{Label: "R/σ² per pixel (nats)", H: r.Height, W: r.Width, Values: r.Values, Title: r.Prior,
		Picture: x, PictureTitle: title}
}

// Slice draws R on a plane, with marks at the picture and at the least value of
// the grid.
func Slice(r explore.SliceResult) Contours {
	axis := func(dir string) string { return fmt.Sprintf("towards %s (σ√n)", filepath.Base(dir)) }
	c := Contours{X: axis(r.U), Y: axis(r.V), Label: "R/σ² (nats)", XS: r.A, YS: r.B, Z: r.Z, Marks: []Mark{{Name: "image"}}}
	if r.Fidelity {
		c.Label = "h/s² + R/σ² (nats)"
	}
	if a, b := r.Least(); a != 0 || b != 0 {
		c.Marks = append(c.Marks, Mark{Name: "least", X: a, Y: b})
	}
	return c
}

// Curves draws f, R and psi of priors for numbers, evaluated at the same ones,
// with the truth for Laplace data.
func Curves(truth explore.Laplace, curves ...explore.CurveResult) []Figure {
	x := curves[0].X
	var soft, mean, median, abs []float64
	for _, u := range x {
		m, d := truth.Posterior(u)
		soft, mean, median, abs = append(soft, truth.MAP(u)), append(mean, m), append(median, d), append(abs, truth.R(u))
	}
	f := Lines{X: "y", Y: "f(y)"}
	r := Lines{X: "x", Y: "R(x) - min R"}
	psi := Lines{X: "y", Y: "ψ(y) - min ψ"}
	if truth.Sigma == 1 {
		r.Y += " (nats)" // R/sigma² is the negative log-prior
	}
	for _, c := range curves {
		name := short(c.Prior)
		f.Series = append(f.Series, Series{Name: name, X: x, Y: c.F})
		r.Series = append(r.Series, Series{Name: name, X: x, Y: c.R})
		psi.Series = append(psi.Series, Series{Name: name, X: x, Y: aboveLeast(c.Psi)})
	}
	f.Series = append(f.Series, Series{Name: "soft threshold (MAP)", X: x, Y: soft, Reference: true},
		Series{Name: "posterior mean", X: x, Y: mean, Reference: true},
		Series{Name: "posterior median", X: x, Y: median, Reference: true})
	r.Series = append(r.Series, Series{Name: "σ²|x|/b", X: x, Y: abs, Reference: true})
	if len(curves) == 1 {
		psi.Series[0].Name = ""
	}
	return []Figure{f, r, psi}
}

// aboveLeast are the values less the least of them.
func aboveLeast(vs []float64) []float64 {
	least := slices.Min(vs)
	out := make([]float64, len(vs))
	for i, v := range vs {
		out[i] = v - least
	}
	return out
}

// short is a prior's name without its folder and extension.
func short(prior string) string { return strings.TrimSuffix(filepath.Base(prior), ".safetensors") }
