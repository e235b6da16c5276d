package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/internal/flags"
	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/urfave/cli/v2"
)

// params is what tune finds.
type params = flags.Params

type tuneOptions struct {
	dirs     []string
	spec     operators.Spec
	solver   solverChoice
	seed     uint64
	set      tuneSet
	trials   int
	baseline []string
	gray     bool
	light    restore.Light
	recurse  bool
	to       string
	force    bool
}

// A tuneSet says which part of a folder is tuned on.
type tuneSet struct {
	images int // at most; 0: all
	crop   int // the side of the crops; 0: whole pictures
}

func tuneSetFlags() []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "images", Value: 8, Usage: "tune on `N` images, drawn from the folder by --seed (0: all)"},
		&cli.IntFlag{Name: "crop", Value: 160, Usage: "tune on the middle `N`xN pixels of each image (0: all of it)", DefaultText: "160; 0 for cs, tomo and mri"},
	}
}

func tuneSetFrom(c *cli.Context, spec operators.Spec) (tuneSet, error) {
	s := tuneSet{images: c.Int("images"), crop: c.Int("crop")}
	if !c.IsSet("crop") && restore.WholeScene(spec) {
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
		Description: "Degrades clean images, restores them, and searches without derivatives for the parameters with\n" +
			"the highest mean PSNR: strength and scale, and rho for admm, hqs and drs. The same seed gives\n" +
			"the same file. restore and eval read it with --params.\n\n" +
			"Example: lpn tune --operator blur:gaussian,sigma=1.6 --noise 0.01 clean/ -o deblur.json",
		Flags: common(slices.Concat(operatorFlags(), solverFlags(), tuneSetFlags(), []cli.Flag{
			simulatedLightFlag(),
			&cli.IntFlag{Name: "trials", Value: 30, Usage: "try at most `N` sets of parameters"},
			&cli.StringFlag{Name: "baseline", Usage: "also tune the strength of these methods, a `LIST` of " + strings.Join(tunableBaselines(), ", ")},
			&cli.BoolFlag{Name: "gray", Usage: "convert to luma (BT.601) first"},
			&cli.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "also work on the folders below a folder"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the parameters to `FILE`.json (default: stdout)"},
			&cli.BoolFlag{Name: "force", Usage: "overwrite outputs that exist"},
		})...),
		Action: action(func(c *cli.Context, con *console) error {
			spec, err := operatorFrom(c, con)
			if err != nil {
				return err
			}
			solver, err := solverFrom(c)
			if err != nil {
				return err
			}
			if err := simulable(solver.noise, spec, "tune adds the noise:"); err != nil {
				return err
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
			light, err := simulatedLight(c)
			if err != nil {
				return err
			}
			o := tuneOptions{
				dirs:     c.Args().Slice(),
				spec:     spec,
				solver:   solver,
				seed:     c.Uint64("seed"),
				set:      set,
				trials:   c.Int("trials"),
				baseline: names,
				gray:     c.Bool("gray"),
				light:    light,
				recurse:  c.Bool("recursive"),
				to:       c.String("output"),
				force:    c.Bool("force"),
			}
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
	if err := o.solver.open(); err != nil {
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
	con.remark("%s: strength %.3g, scale %.3g: %.2f dB, images tuned on: %d", o.to, p.Strength, p.Scale, p.PSNR, p.Images)
	return writeFile(o.to, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(p)
	})
}

// examples degrades the images that are tuned on.
func (o tuneOptions) examples(con *console) ([]restore.Example, error) {
	inputs, _, err := expand(o.dirs, o.recurse, imageio.Extensions, "")
	if err != nil {
		return nil, err
	}
	spec, err := o.spec.Load(fileOpener(o.spec))
	if err != nil {
		return nil, err
	}
	if n := o.set.images; n > 0 && n < len(inputs) {
		rng := rand.New(rand.NewPCG(o.seed, 0x74756e65))
		rng.Shuffle(len(inputs), func(i, j int) { inputs[i], inputs[j] = inputs[j], inputs[i] })
		inputs = inputs[:n]
		slices.SortFunc(inputs, func(a, b input) int { return strings.Compare(a.path, b.path) })
	}
	var all []restore.Example
	for i, in := range inputs {
		p, err := readPicture(con, in.path)
		if err != nil {
			return nil, err
		}
		if o.gray {
			p = p.Luma()
		}
		scene := p.Image
		if n := o.set.crop; n > 0 {
			scene = restore.Centre(scene, min(n, p.H), min(n, p.W))
		}
		e, err := restore.SimulateLight(scene, spec, o.light, o.solver.noise, noiseRNG(o.seed+uint64(i)))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", in.path, asUsage(err))
		}
		all = append(all, e)
	}
	return all, nil
}

// search looks for the parameters of the solver.
func (o tuneOptions) search(ctx context.Context, con *console, t []restore.Example) (params, error) {
	bar := con.progress("tuning "+o.solver.Solver, o.trials)
	defer bar.end()
	best, err := restore.Tune(ctx, t, o.solver.Options, o.trials, bar.trial)
	if err != nil {
		return params{}, asUsage(err)
	}
	return params{
		Operator: o.spec.String(), Boundary: o.spec.Boundary().String(), Noise: number(whiteLevel(o.solver.noise)), NoiseModel: o.solver.noise.String(),
		Images: len(t), Seed: o.seed, Trials: best.Trials, PSNR: number(best.PSNR),
		Prior: best.Prior, Solver: best.Options.Solver,
		Strength: best.Options.Strength, Scale: best.Options.Scale, Rho: best.Options.Rho,
	}, nil
}

// trial reports a trial and its score.
func (p *progress) trial(n int, psnr float64) { p.at(n, fmt.Sprintf("%.2f dB", psnr)) }

// searchBaselines looks for the strengths of the baselines.
func (o tuneOptions) searchBaselines(ctx context.Context, con *console, t []restore.Example) (map[string]float64, error) {
	found := map[string]float64{}
	for _, name := range o.baseline {
		if !restore.Tunable(name) {
			continue
		}
		bar := con.progress("tuning "+name, o.trials)
		strength, err := restore.TuneBaseline(ctx, t, name, o.trials, bar.trial)
		bar.end()
		if err != nil {
			return nil, err
		}
		found[name] = strength
	}
	return found, nil
}

// strengthsText lists strengths for people.
func strengthsText(s map[string]float64) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(s)) {
		parts = append(parts, fmt.Sprintf("%s %.3g", name, s[name]))
	}
	return strings.Join(parts, ", ")
}

// baselineTrials is how many strengths are tried to tune a baseline: enough to
// find the best of a range of 1:2500 to 10%.
const baselineTrials = 14

// tunableBaselines are the baselines that have a strength.
func tunableBaselines() []string {
	return slices.DeleteFunc(restore.Baselines(), func(n string) bool { return !restore.Tunable(n) })
}

// parseBaselines reads a list of names.
func parseBaselines(list string) ([]string, error) {
	known := restore.Baselines()
	var names []string
	for _, n := range strings.Split(list, ",") {
		if n = strings.TrimSpace(n); n == "" {
			continue
		}
		if !slices.Contains(known, n) {
			return nil, usagef("--baseline: unknown method %q%s; want %s", n, suggest(n, known), strings.Join(known, ", "))
		}
		names = append(names, n)
	}
	return names, nil
}
