package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
	"github.com/urfave/cli/v2"
)

// params is what tune found, and what --params takes: how to solve, and for
// people also what it was found on.
type params struct {
	Operator string  `json:"operator"`
	Boundary string  `json:"boundary"`
	Noise    float64 `json:"noise"`
	Images   int     `json:"images"`
	Seed     uint64  `json:"seed"`
	Trials   int     `json:"trials"`
	PSNR     number  `json:"psnr"`
	// Prior and Solver are left out where only baselines were tuned.
	Prior    string  `json:"prior,omitempty"`
	Solver   string  `json:"solver,omitempty"`
	Strength float64 `json:"strength,omitempty"`
	Scale    float64 `json:"scale,omitempty"`
	Rho      float64 `json:"rho,omitempty"`
	// Baselines are the strengths of classical methods.
	Baselines map[string]float64 `json:"baselines,omitempty"`
}

// readParams reads a file that tune wrote.
func readParams(path string) (params, error) {
	var p params
	text, err := os.ReadFile(path)
	if err != nil {
		return p, usagef("--params: %s: %v", path, cause(err))
	}
	if p, err = parseParams(text); err != nil {
		return p, usagef("--params: %s: %v; want a file that lpn tune wrote", path, err)
	}
	return p, nil
}

func parseParams(text []byte) (params, error) {
	var p params
	if err := decodeStrictly(text, &p); err != nil {
		return p, err
	}
	return p, p.check()
}

func (p params) check() error {
	within := func(name string, v float64) error {
		if v != 0 && !(v > 0 && v <= math.MaxFloat32) {
			return fmt.Errorf("%s is %v; want a positive number", name, v)
		}
		return nil
	}
	for name, v := range p.Baselines {
		if baselines[name] == nil {
			return fmt.Errorf("unknown baseline %q; want %s", name, strings.Join(baselineNames, ", "))
		}
		if err := within(name, v); err != nil {
			return err
		}
	}
	return cmp.Or(within("strength", p.Strength), within("scale", p.Scale), within("rho", p.Rho))
}

// fill puts p where the command line says nothing.
func (o *solverOptions) fill(c *cli.Context, p params) {
	set := func(flag string, to, v *float64) {
		if !c.IsSet(flag) && *v != 0 {
			*to = *v
		}
	}
	if !c.IsSet("prior") && p.Prior != "" {
		o.prior = p.Prior
	}
	if !c.IsSet("solver") && p.Solver != "" {
		o.solver = p.Solver
	}
	set("strength", &o.strength, &p.Strength)
	set("scale", &o.scale, &p.Scale)
	if slices.Contains(rhoSolvers, o.solver) {
		set("rho", &o.rho, &p.Rho)
	}
}

type tuneOptions struct {
	dirs     []string
	spec     operators.Spec
	solver   solverOptions
	seed     uint64
	set      tuneSet
	trials   int
	baseline []string
	gray     bool
	recurse  bool
	to       string
	force    bool
}

// A tuneSet says which part of a folder is tuned on.
type tuneSet struct {
	images int // at most; 0: all
	crop   int // the side of the crops; 0: whole pictures
}

// wholeScenes are measured as a whole: a crop would be another problem.
var wholeScenes = []string{"cs", "tomo", "mri"}

func tuneSetFlags() []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "images", Value: 8, Usage: "tune on `N` images, drawn from the folder by --seed (0: all)"},
		&cli.IntFlag{Name: "crop", Value: 160, Usage: "tune on the middle `N`xN pixels of each image (0: all of it)", DefaultText: "160; 0 for cs, tomo and mri"},
	}
}

func tuneSetFrom(c *cli.Context, spec operators.Spec) (tuneSet, error) {
	s := tuneSet{c.Int("images"), c.Int("crop")}
	if !c.IsSet("crop") && slices.Contains(wholeScenes, spec.Name()) {
		s.crop = 0
	}
	switch {
	case s.images < 0:
		return s, usagef("--images: %d; want at least 1, or 0 for all", s.images)
	case s.crop < 0:
		return s, usagef("--crop: %d; want at least 1, or 0 for whole pictures", s.crop)
	}
	return s, nil
}

func tuneCommand() *cli.Command {
	return &cli.Command{
		Name:      "tune",
		Usage:     "choose strength and solver parameters on clean images",
		ArgsUsage: "DIR...",
		Description: "Degrades clean images, restores them, and searches for the parameters of the\n" +
			"highest mean PSNR without derivatives: strength and scale, for admm, hqs and drs\n" +
			"also rho. The same seed gives the same file, which restore and eval take as --params.\n\n" +
			"Example: lpn tune --operator blur:gaussian,sigma=1.6 --noise 0.01 clean/ -o deblur.json",
		Flags: common(slices.Concat(operatorFlags(), solverFlags(), tuneSetFlags(), []cli.Flag{
			&cli.IntFlag{Name: "trials", Value: 30, Usage: "look at `N` sets of parameters at most"},
			&cli.StringFlag{Name: "baseline", Usage: "also tune the strength of these methods, a `LIST` of " + strings.Join(tunable, ", ")},
			&cli.BoolFlag{Name: "gray", Usage: "convert to luma (BT.601) first"},
			&cli.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "look into the folders below a folder"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the parameters to `FILE`.json (default: stdout)"},
			&cli.BoolFlag{Name: "force", Usage: "overwrite outputs that exist"},
		})...),
		Action: action(func(c *cli.Context, con *console) error {
			spec, err := parseOperator(c.String("operator"), c.String("boundary"))
			if err != nil {
				return err
			}
			solver, _, err := solverFrom(c)
			if err != nil {
				return err
			}
			if solver.noise == auto {
				return usagef("--noise: tune adds the noise: want a number in [0,1] or a fraction like 25/255")
			}
			set, err := tuneSetFrom(c, spec)
			if err != nil {
				return err
			}
			names, err := parseBaselines(c.String("baseline"))
			if err != nil {
				return err
			}
			if n := c.Int("trials"); n < 1 {
				return usagef("--trials: %d; want at least 1", n)
			}
			o := tuneOptions{c.Args().Slice(), spec, solver, c.Uint64("seed"), set,
				c.Int("trials"), names, c.Bool("gray"), c.Bool("recursive"), c.String("output"), c.Bool("force")}
			return o.run(c.Context, con)
		}),
	}
}

func (o tuneOptions) run(ctx context.Context, con *console) error {
	if o.to != "" {
		if err := mayWrite(o.to, o.force); err != nil {
			return err
		}
	}
	if o.solver.prior != "" {
		if _, err := openPrior(o.solver.prior); err != nil {
			return err
		}
	}
	var err error
	if o.spec, err = o.spec.Load(openOperatorFile); err != nil {
		return err
	}
	t, err := o.examples(con)
	if err != nil {
		return err
	}
	p, err := o.search(ctx, con, t)
	if err != nil {
		return err
	}
	if p.Baselines, err = o.searchBaselines(ctx, con, t); err != nil {
		return err
	}
	if o.to == "" || con.json {
		if err := con.printJSON(p); err != nil {
			return err
		}
	}
	if o.to == "" {
		return nil
	}
	con.remark("%s: strength %.3g, scale %.3g: %.2f dB on %d images", o.to, p.Strength, p.Scale, p.PSNR, p.Images)
	return writeFile(o.to, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(p)
	})
}

// An example is a picture and a measurement of it.
type example struct {
	truth *imageio.Picture
	m     measured
	a     operators.Linear
}

// examples degrades the images that are tuned on.
func (o tuneOptions) examples(con *console) ([]example, error) {
	inputs, _, err := expand(o.dirs, o.recurse, imageExts, "")
	if err != nil {
		return nil, err
	}
	if n := o.set.images; n > 0 && n < len(inputs) {
		rng := rand.New(rand.NewPCG(o.seed, 0x74756e65))
		rng.Shuffle(len(inputs), func(i, j int) { inputs[i], inputs[j] = inputs[j], inputs[i] })
		inputs = inputs[:n]
		slices.SortFunc(inputs, func(a, b input) int { return strings.Compare(a.path, b.path) })
	}
	var all []example
	for i, in := range inputs {
		p, err := readPicture(con, in.path)
		if err != nil {
			return nil, err
		}
		if o.gray {
			p = p.Luma()
		}
		if n := o.set.crop; n > 0 {
			p = &imageio.Picture{Image: centre(p.Image, min(n, p.H), min(n, p.W))}
		}
		a, err := o.spec.Build(p.Shape)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", in.path, err)
		}
		y, err := degrade(p, o.spec, o.solver.noise, o.seed+uint64(i))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", in.path, err)
		}
		m := measured{y: y.Image, spec: o.spec, scene: p.Shape, noise: o.solver.noise}
		h, w := m.frame()
		all = append(all, example{&imageio.Picture{Image: centre(p.Image, h, w)}, m, a})
	}
	return all, nil
}

// search looks for the parameters of the solver.
func (o tuneOptions) search(ctx context.Context, con *console, t []example) (params, error) {
	prior := o.solver.prior
	mean := func(s solverOptions) (float64, error) {
		return meanPSNR(t, func(e example) (operators.Image, error) {
			r, err := s.solve(ctx, con, e.m, nil, nil)
			prior = r.prior
			return r.image, err
		})
	}
	space := []solvers.Param{{Name: "strength", Lo: 0.05, Hi: 20, Start: 1}, {Name: "scale", Lo: 0.25, Hi: 8, Start: 1}}
	withRho := slices.Contains(rhoSolvers, o.solver.solver)
	if withRho {
		space = append(space, solvers.Param{Name: "rho", Lo: 1e-3, Hi: 1e2, Start: 1})
	}
	with := func(v []float64) solverOptions {
		s := o.solver
		s.strength, s.scale = v[0], v[1]
		if withRho {
			s.rho = v[2]
		}
		return s
	}
	bar := con.progress("tuning "+o.solver.solver, o.trials)
	defer bar.end()
	n := 0
	best, trials, err := solvers.Tune(ctx, space, o.trials, func(v []float64) (float64, error) {
		psnr, err := mean(with(v))
		n++
		bar.at(n, fmt.Sprintf("%.2f dB", psnr))
		return psnr, err
	})
	if err != nil {
		return params{}, err
	}
	s := with(best.Params)
	return params{Operator: o.spec.String(), Boundary: o.spec.Boundary().String(), Noise: s.noise, Images: len(t), Seed: o.seed,
		Trials: len(trials), PSNR: number(best.Score), Prior: prior, Solver: s.solver,
		Strength: s.strength, Scale: s.scale, Rho: s.rho}, nil
}

// searchBaselines looks for the strengths of the baselines.
func (o tuneOptions) searchBaselines(ctx context.Context, con *console, t []example) (map[string]float64, error) {
	found := map[string]float64{}
	for _, name := range o.baseline {
		if !slices.Contains(tunable, name) {
			continue
		}
		bar := con.progress("tuning "+name, o.trials)
		n := 0
		space := []solvers.Param{{Name: name, Lo: 0.02, Hi: 50}}
		best, _, err := solvers.Tune(ctx, space, o.trials, func(v []float64) (float64, error) {
			psnr, err := meanPSNR(t, func(e example) (operators.Image, error) {
				x, err := baselines[name](ctx, e.m, e.a, e.m.noise, v[0])
				return centre(operators.Image{Shape: e.m.scene, Pix: x}, e.truth.H, e.truth.W), err
			})
			n++
			bar.at(n, fmt.Sprintf("%.2f dB", psnr))
			return psnr, err
		})
		bar.end()
		if err != nil {
			return nil, err
		}
		found[name] = best.Params[0]
	}
	return found, nil
}

// meanPSNR is the mean over the examples of what restore makes of them.
func meanPSNR(t []example, restore func(example) (operators.Image, error)) (float64, error) {
	sum := 0.0
	for _, e := range t {
		x, err := restore(e)
		if err != nil {
			return 0, err
		}
		q, err := measure(e.truth, &imageio.Picture{Image: x}, false)
		if err != nil {
			return 0, err
		}
		sum += float64(q.PSNR)
	}
	return sum / float64(len(t)), nil
}

// strengthsText lists strengths for people.
func strengthsText(s map[string]float64) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(s)) {
		parts = append(parts, fmt.Sprintf("%s %.3g", name, s[name]))
	}
	return strings.Join(parts, ", ")
}
