package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/plot"
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/lpn/train"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
	"github.com/urfave/cli/v2"
)

// An explorer is what the prior commands share.
type explorer struct {
	prior    string
	crop     int
	scale    float64
	ensemble bool
	out      []string
	force    bool
	seed     uint64
}

func explorerFlags(more ...cli.Flag) []cli.Flag {
	return common(append(more,
		&cli.StringFlag{Name: "prior", Usage: "`NAME` of a built-in prior, or a file", DefaultText: "the built-in one that fits the channels"},
		&cli.IntFlag{Name: "crop", Usage: "work on the `N`xN pixels in the middle (default: the whole picture)"},
		&cli.Float64Flag{Name: "scale", Value: 1, Usage: "the prior R(`S` x)/S^2: above 1 it takes noise for smaller than it is"},
		&cli.BoolFlag{Name: "ensemble", Usage: "the prior averaged over the 8 symmetries of the square"},
		&cli.StringSliceFlag{Name: "output", Aliases: []string{"o"}, Usage: "draw to `FILE`.png or .svg, write numbers to .csv or .npz; may be repeated"},
		&cli.BoolFlag{Name: "force", Usage: "overwrite outputs that exist"})...)
}

func explorerFrom(c *cli.Context) (explorer, error) {
	e := explorer{c.String("prior"), c.Int("crop"), c.Float64("scale"), c.Bool("ensemble"), c.StringSlice("output"), c.Bool("force"), c.Uint64("seed")}
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

// open opens the prior of a name, "" standing for the built-in one that fits.
func (e explorer) open(name string, channels int) (string, *lpn.Network, error) {
	if name == "" {
		return choosePrior(channels, 25./255)
	}
	net, err := openPrior(name)
	return name, net, err
}

// bind binds a network to pictures of shape s, which each evaluation treats on
// the given number of cores, in the algebra asked for.
func (e explorer) bind(net *lpn.Network, s operators.Shape, threads int) (lpn.Prior, error) {
	one := func(s operators.Shape) (solvers.Potential, error) { return net.On(s, lpn.Threads(threads)) }
	psi, err := one(s)
	if err == nil && e.ensemble {
		psi, err = lpn.Ensemble(one, s)
	}
	if err != nil {
		return lpn.Prior{}, err
	}
	if e.scale != 1 {
		psi = lpn.Scaled(psi, e.scale)
	}
	return lpn.Prior{Psi: psi}, nil
}

// picture reads a picture as a prior of the given channels takes it: cropped,
// and in luma if the prior is gray.
func (e explorer) picture(con *console, path string, channels int) (operators.Image, error) {
	p, err := readPicture(con, path)
	if err != nil {
		return operators.Image{}, missing(err)
	}
	if channels == 1 && p.C == 3 {
		p = p.Luma()
	}
	return e.cropped(p.Image), nil
}

func (e explorer) cropped(m operators.Image) operators.Image {
	if e.crop > 0 && (e.crop < m.H || e.crop < m.W) {
		return restore.Centre(m, min(e.crop, m.H), min(e.crop, m.W))
	}
	return m
}

// write draws figures to every output.
func (e explorer) write(figures ...plot.Figure) error {
	for _, to := range e.out {
		format, err := plot.FormatOf(to)
		if err != nil {
			return usageError{err}
		}
		if err := writeFile(to, func(w io.Writer) error { return plot.Write(w, format, figures...) }); err != nil {
			return err
		}
	}
	return nil
}

type pathOptions struct {
	explorer
	inputs   []string
	perturb  string
	levels   []float64
	with     string
	overlay  []string
	relative bool
	boxes    bool
	recurse  bool
	examples bool
	images   int                      // of an idx file
	stacks   map[string]*train.Images // idx files by path
}

// perturbations are the paths, with the levels that they take by default and
// what a level means.
var perturbations = map[string]struct {
	unit   string
	levels []float64
}{
	"noise":     {"noise, standard deviation", []float64{0, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2}},
	"blur":      {"Gaussian blur (pixels)", []float64{0, 0.5, 1, 1.5, 2, 2.5, 3}},
	"mix":       {"share of the other picture", []float64{0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1}},
	"intensity": {"dimmed by the fraction", []float64{0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6}},
	"rotation":  {"rotation (degrees)", []float64{0, 5, 10, 15, 20, 30, 45}},
	"occlusion": {"side of a gray square, fraction of the picture's", []float64{0, 0.1, 0.2, 0.3, 0.4, 0.5}},
}

func perturbationNames() []string {
	var names []string
	for k := range perturbations {
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}

func priorPathCommand() *cli.Command {
	return &cli.Command{
		Name:      "path",
		Usage:     "the prior along a path of changed images",
		ArgsUsage: "INPUT...",
		Description: "Evaluates R/sigma^2 a sample, the negative log-prior up to a constant, at each image\n" +
			"changed more and more; many images give their mean and spread.\n\n" +
			"Examples:\n" +
			"lpn prior path --perturb noise photos/ -o noise.png -o noise.csv\n" +
			"lpn prior path --perturb blur --levels 0,1,2 photo.png\n" +
			"lpn prior path --perturb mix --with other.png photo.png -o mix.svg",
		Flags: explorerFlags(
			&cli.StringFlag{Name: "perturb", Value: "noise", Usage: "`KIND` of change: " + strings.Join(perturbationNames(), ", ")},
			&cli.StringFlag{Name: "levels", Usage: "`LEVELS` of the change, as 0,1,2 or FROM:TO:COUNT"},
			&cli.StringFlag{Name: "with", Usage: "the other picture `FILE` of mix (default: the next input)"},
			&cli.StringSliceFlag{Name: "overlay", Usage: "a further prior, `NAME` or file, to draw beside; may be repeated"},
			&cli.BoolFlag{Name: "relative", Usage: "subtract each image's value at the first level"},
			&cli.BoolFlag{Name: "box", Usage: "draw boxes (median, quartiles) instead of mean and deviation"},
			&cli.BoolFlag{Name: "examples", Usage: "show the first image at some of the levels above the curve"},
			&cli.IntFlag{Name: "images", Value: 100, Usage: "the first `N` images of an idx file (MNIST's format)"},
			&cli.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "look into the folders below a folder"}),
		Action: action(func(c *cli.Context, con *console) error {
			e, err := explorerFrom(c)
			if err != nil {
				return err
			}
			o := pathOptions{explorer: e, examples: c.Bool("examples"), images: c.Int("images"), inputs: c.Args().Slice(), perturb: c.String("perturb"), with: c.String("with"),
				overlay: c.StringSlice("overlay"), relative: c.Bool("relative"), boxes: c.Bool("box"), recurse: c.Bool("recursive")}
			kind, ok := perturbations[o.perturb]
			if !ok {
				return usagef("--perturb: unknown %q%s; want %s", o.perturb, suggest(o.perturb, perturbationNames()), strings.Join(perturbationNames(), ", "))
			}
			if o.levels = kind.levels; c.String("levels") != "" {
				if o.levels, err = parseLevels(c.String("levels")); err != nil {
					return err
				}
			}
			if o.images < 1 {
				return usagef("--images: %d; want a positive number", o.images)
			}
			if least := slices.Min(o.levels); least < 0 && slices.Contains([]string{"noise", "blur", "occlusion"}, o.perturb) {
				return usagef("--levels: %g; %s wants levels of at least 0", least, o.perturb)
			}
			if o.boxes && len(o.overlay) > 0 {
				return usagef("--box draws one prior: leave out --overlay")
			}
			return o.run(c.Context, con)
		}),
	}
}

// parseLevels reads 0,1,2 or FROM:TO:COUNT.
func parseLevels(s string) ([]float64, error) {
	bad := usagef("--levels: %q; want numbers as 0,0.1,0.2 or FROM:TO:COUNT", s)
	number := func(s string) (float64, bool) {
		v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		return v, err == nil && !math.IsNaN(v) && math.Abs(v) < 1e6
	}
	if parts := strings.Split(s, ":"); len(parts) == 3 {
		from, ok1 := number(parts[0])
		to, ok2 := number(parts[1])
		n, err := strconv.Atoi(parts[2])
		if !ok1 || !ok2 || err != nil || n < 2 || n > 10000 {
			return nil, bad
		}
		var ls []float64
		for k := range n {
			ls = append(ls, from+(to-from)*float64(k)/float64(n-1))
		}
		return ls, nil
	}
	var ls []float64
	for _, p := range strings.Split(s, ",") {
		v, ok := number(p)
		if !ok {
			return nil, bad
		}
		ls = append(ls, v)
	}
	return ls, nil
}

// A pathResult is what JSON shows of one prior.
type pathResult struct {
	Prior  string      `json:"prior"`
	Levels []float64   `json:"levels"`
	Mean   []number    `json:"mean"`
	SD     []number    `json:"sd"`
	Images []pathImage `json:"images"`
	values [][]float64 // by level
}

// A pathImage is one image's values; null where a point is out of range.
type pathImage struct {
	Input    string   `json:"input"`
	Values   []number `json:"values"`
	Residual number   `json:"residual"` // the largest
}

func (o pathOptions) run(ctx context.Context, con *console) error {
	inputs, _, err := expand(o.inputs, o.recurse, imageio.Extensions, "")
	if err != nil {
		return err
	}
	if inputs, err = o.unpack(inputs); err != nil {
		return err
	}
	if o.perturb == "mix" && o.with == "" && len(inputs) < 2 {
		return usagef("mix wants another picture: --with FILE, or two inputs")
	}
	var results []pathResult
	for _, name := range append([]string{o.prior}, o.overlay...) {
		r, err := o.along(ctx, con, name, inputs)
		if err != nil {
			return err
		}
		results = append(results, r)
	}
	figures := []plot.Figure{o.figure(results)}
	if o.examples {
		sheet, err := o.sheet(con, inputs)
		if err != nil {
			return err
		}
		figures = append([]plot.Figure{sheet}, figures...)
	}
	if err := o.write(figures...); err != nil {
		return err
	}
	if con.json {
		if len(results) == 1 {
			return con.printJSON(results[0])
		}
		return con.printJSON(struct {
			Priors []pathResult `json:"priors"`
		}{results})
	}
	w := tabwriter.NewWriter(con.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s", perturbations[o.perturb].unit)
	for _, r := range results {
		fmt.Fprintf(w, "\t%s\tsd", r.Prior)
	}
	fmt.Fprintln(w)
	for k, l := range o.levels {
		fmt.Fprintf(w, "%.4g", l)
		for _, r := range results {
			fmt.Fprintf(w, "\t%.5g\t%.3g", float64(r.Mean[k]), float64(r.SD[k]))
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

// along evaluates one prior on the paths from all inputs, several at a time.
func (o pathOptions) along(ctx context.Context, con *console, prior string, inputs []input) (pathResult, error) {
	first, err := o.read(con, inputs[0].path, 0)
	if err != nil {
		return pathResult{}, err
	}
	name, net, err := o.open(prior, first.C)
	if err != nil {
		return pathResult{}, err
	}
	r := pathResult{Prior: name, Levels: o.levels, Images: make([]pathImage, len(inputs)), values: make([][]float64, len(o.levels))}
	bar := con.progress("evaluating "+name, len(inputs))
	defer bar.end()
	var (
		mu    sync.Mutex
		wg    sync.WaitGroup
		fails error
		done  int
	)
	next := make(chan int)
	workers := min(runtime.GOMAXPROCS(0), len(inputs))
	threads := 1
	if len(inputs) == 1 {
		threads = 0
	}
	outOfRange := 0
	for range workers {
		wg.Go(func() {
			for i := range next {
				m, lost, err := o.image(con, net, inputs, i, threads)
				mu.Lock()
				if err != nil && fails == nil {
					fails = fmt.Errorf("%s: %w", inputs[i].path, err)
				}
				r.Images[i] = m
				outOfRange += lost
				done++
				bar.at(done, "")
				mu.Unlock()
			}
		})
	}
	for i := range inputs {
		mu.Lock()
		stop := fails != nil || ctx.Err() != nil
		mu.Unlock()
		if stop {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return r, err
	}
	if fails != nil {
		return r, fails
	}
	for k := range o.levels {
		for _, m := range r.Images {
			r.values[k] = append(r.values[k], float64(m.Values[k]))
		}
		mean, sd := plot.Spread(r.values[k])
		r.Mean, r.SD = append(r.Mean, number(mean)), append(r.SD, number(sd))
	}
	if outOfRange > 0 {
		con.remark("%s: %d points are out of the network's reach and left out", name, outOfRange)
	}
	return r, nil
}

// image evaluates the path from input i.
func (o pathOptions) image(con *console, net *lpn.Network, inputs []input, i, threads int) (pathImage, int, error) {
	c := net.Config()
	x, other, err := o.pair(con, inputs, i, c.Channels)
	if err != nil {
		return pathImage{}, 0, err
	}
	p, err := o.bind(net, x.Shape, threads)
	if err != nil {
		return pathImage{}, 0, err
	}
	var points [][]float32
	for _, l := range o.levels {
		m, err := perturbed(x, other, o.perturb, l, o.seed+uint64(i))
		if err != nil {
			return pathImage{}, 0, err
		}
		points = append(points, m.Pix)
	}
	out := pathImage{Input: inputs[i].path}
	lost, worst := 0, 0.0
	unit := c.Sigma * c.Sigma * float64(x.Len())
	for _, v := range p.Along(points) {
		if !v.InRange {
			lost++
		}
		worst = max(worst, v.Residual)
		out.Values = append(out.Values, number(v.R/unit))
	}
	if o.relative {
		base := out.Values[0]
		for k := range out.Values {
			out.Values[k] -= base
		}
	}
	out.Residual = number(worst)
	return out, lost, nil
}

// pair reads input i, and what it is mixed with.
func (o pathOptions) pair(con *console, inputs []input, i, channels int) (x, other operators.Image, err error) {
	if x, err = o.read(con, inputs[i].path, channels); err != nil || o.perturb != "mix" {
		return x, other, err
	}
	with := o.with
	if with == "" {
		with = inputs[(i+1)%len(inputs)].path
	}
	if other, err = o.read(con, with, channels); err == nil && other.Shape != x.Shape {
		err = fmt.Errorf("to mix with %s both must have one size: %v and %v (--crop helps)", with, x.Shape, other.Shape)
	}
	return x, other, err
}

// unpack opens idx files and names their images FILE#0 and so on.
func (o *pathOptions) unpack(inputs []input) ([]input, error) {
	var out []input
	for _, in := range inputs {
		if base := filepath.Base(in.path); !strings.Contains(base, "idx3") && filepath.Ext(base) != ".idx" {
			out = append(out, in)
			continue
		}
		stack, err := train.OpenImages([]string{in.path}, train.DataOptions{Channels: 1})
		if err != nil {
			return nil, err
		}
		if o.stacks == nil {
			o.stacks = map[string]*train.Images{}
		}
		o.stacks[in.path] = stack
		for i := range min(o.images, stack.Len()) {
			out = append(out, input{fmt.Sprintf("%s#%d", in.path, i), in.rel})
		}
	}
	return out, nil
}

// read is picture that also knows the images of idx files.
func (o pathOptions) read(con *console, path string, channels int) (operators.Image, error) {
	if k := strings.LastIndexByte(path, '#'); k > 0 && o.stacks[path[:k]] != nil {
		i, err := strconv.Atoi(path[k+1:])
		if err != nil {
			return operators.Image{}, err
		}
		m, err := o.stacks[path[:k]].Image(i)
		return o.cropped(m), err
	}
	return o.picture(con, path, channels)
}

// sheet shows the first input at up to 7 levels.
func (o pathOptions) sheet(con *console, inputs []input) (plot.Sheet, error) {
	x, other, err := o.pair(con, inputs, 0, 0)
	if err != nil {
		return plot.Sheet{}, err
	}
	var row []plot.Cell
	n := min(7, len(o.levels))
	for k := range n {
		l := o.levels[k*(len(o.levels)-1)/max(1, n-1)]
		m, err := perturbed(x, other, o.perturb, l, o.seed)
		if err != nil {
			return plot.Sheet{}, err
		}
		row = append(row, plot.Cell{Caption: fmt.Sprintf("%.3g", l), Picture: m})
	}
	return plot.Sheet{Rows: [][]plot.Cell{row}}, nil
}

// perturbed changes x by a level of a kind; other is the picture to mix with.
func perturbed(x, other operators.Image, kind string, level float64, seed uint64) (operators.Image, error) {
	m := x.Clone()
	switch kind {
	case "noise":
		rng := rand.New(rand.NewPCG(seed, 0x70617468))
		for i := range m.Pix {
			m.Pix[i] += float32(level * rng.NormFloat64())
		}
	case "blur":
		if level == 0 {
			return m, nil
		}
		spec, err := operators.ParseSpec(fmt.Sprintf("blur:gaussian,sigma=%g", level))
		if err != nil {
			return m, usagef("--levels: a blur of %g: %v", level, err)
		}
		a, err := spec.Build(x.Shape)
		if err != nil {
			return m, err
		}
		a.Apply(m.Pix, x.Pix)
	case "mix":
		for i := range m.Pix {
			m.Pix[i] += float32(level) * (other.Pix[i] - m.Pix[i])
		}
	case "intensity":
		for i := range m.Pix {
			m.Pix[i] *= float32(1 - level)
		}
	case "rotation":
		rotate(m, x, level)
	case "occlusion":
		side := int(math.Round(level * float64(min(x.H, x.W))))
		y0, x0 := (x.H-side)/2, (x.W-side)/2
		for c := range x.C {
			for i := max(0, y0); i < min(x.H, y0+side); i++ {
				for j := max(0, x0); j < min(x.W, x0+side); j++ {
					m.Pix[(c*x.H+i)*x.W+j] = 0.5
				}
			}
		}
	}
	return m, nil
}

// rotate writes src turned about its centre, anticlockwise by degrees, with
// bilinear interpolation and mirrored borders.
func rotate(dst, src operators.Image, degrees float64) {
	if degrees == 0 {
		copy(dst.Pix, src.Pix)
		return
	}
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	cy, cx := float64(src.H-1)/2, float64(src.W-1)/2
	mirror := func(i, n int) int {
		i = ((i % (2 * n)) + 2*n) % (2 * n)
		return min(i, 2*n-1-i)
	}
	for i := range src.H {
		for j := range src.W {
			dy, dx := float64(i)-cy, float64(j)-cx
			y, x := cy+cos*dy+sin*dx, cx-sin*dy+cos*dx
			y0, x0 := math.Floor(y), math.Floor(x)
			v, u := float32(y-y0), float32(x-x0)
			a, b := mirror(int(y0), src.H), mirror(int(y0)+1, src.H)
			l, r := mirror(int(x0), src.W), mirror(int(x0)+1, src.W)
			for c := range src.C {
				p := src.Plane(c)
				dst.Pix[(c*src.H+i)*src.W+j] = (1-v)*((1-u)*p[a*src.W+l]+u*p[a*src.W+r]) + v*((1-u)*p[b*src.W+l]+u*p[b*src.W+r])
			}
		}
	}
}

// figure draws mean and deviation, each image where there are few, or boxes.
func (o pathOptions) figure(results []pathResult) plot.Figure {
	x, y := perturbations[o.perturb].unit, "R/σ² per sample (nats)"
	if o.relative {
		y = "change of " + y
	}
	if o.boxes {
		b := plot.Boxes{X: x, Y: y}
		for k, l := range o.levels {
			b.Groups = append(b.Groups, plot.Group{Label: fmt.Sprintf("%.3g", l), Values: results[0].values[k]})
		}
		return b
	}
	f := plot.Lines{X: x, Y: y}
	for _, r := range results {
		s := plot.Series{Name: strings.TrimSuffix(filepath.Base(r.Prior), priorExt), X: o.levels, Points: true}
		for k := range o.levels {
			m, d := float64(r.Mean[k]), float64(r.SD[k])
			s.Y, s.Lo, s.Hi = append(s.Y, m), append(s.Lo, m-d), append(s.Hi, m+d)
		}
		if n := len(r.Images); n == 1 {
			s.Lo, s.Hi = nil, nil
		} else {
			s.Name += fmt.Sprintf(", mean ± deviation of %d", n)
		}
		f.Series = append(f.Series, s)
	}
	return f
}
