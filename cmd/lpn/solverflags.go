package main

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/lpn-imaging/lpn/internal/sysmem"
	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/urfave/cli/v2"
)

// solverFlags are the flags that restore, eval and tune share.
func solverFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "noise", Value: "auto", Usage: "the noise: a standard deviation such as 0.1 or 25/255, poisson:gain=G[,read=R], camera:a=A,b=B, map:FILE.npy, `FILE`.json, or auto"},
		&cli.StringFlag{Name: "prior", Usage: "`NAME` of a built-in prior, or a file", DefaultText: "the built-in one that fits channels and noise"},
		&cli.StringFlag{Name: "solver", Value: "bpg", Usage: "`NAME` of the solver: " + strings.Join(restore.Solvers(), ", ")},
		&cli.IntFlag{Name: "iters", Value: 200, Usage: "at most `N` iterations"},
		&cli.Float64Flag{Name: "tol", Usage: "stop when an iteration changes the image by less than `T`, relative; 0 never stops", DefaultText: "1e-4 for bpg, 1e-6 for the others, whose steps are shorter"},
		&cli.Float64Flag{Name: "step", Usage: "step `E` of pgd, apgd and bpg (default: from the operator)"},
		&cli.Float64Flag{Name: "rho", Usage: "penalty `R` of admm and hqs; the step of drs is 1/R (default: from the operator)"},
		&cli.StringFlag{Name: "strength", Value: "1", Usage: "multiply the statistical weight of the prior by `T`; discrepancy searches for the weight at which the residual is as large as the noise"},
		&cli.StringFlag{Name: "params", Usage: "take the parameters that no flag sets from `FILE`, written by lpn tune"},
		&cli.Float64Flag{Name: "scale", Usage: "use the prior for `S` times less noise, R(S x)/S^2", DefaultText: "from the operator and the noise"},
		&cli.BoolFlag{Name: "ensemble", Usage: "average psi over the 8 flips and rotations; still an exact prox, a little better, 8 times the work"},
		&cli.IntFlag{Name: "tile", Usage: "evaluate the network in tiles of `N` pixels (0: chosen by memory); the result is the same"},
	}
}

func memoryFlag() cli.Flag {
	return &cli.StringFlag{Name: "memory", Usage: "use at most `SIZE` of memory, such as 4GiB; images that need more are solved in overlapping windows if the operator allows it", DefaultText: "three quarters of what is available"}
}

// A solverChoice is what the solver flags say.
type solverChoice struct {
	restore.Options
	prior  string      // its name or path, "" for the default; open opens it
	noise  noise.Model // nil unless it is given
	params params      // the file of --params; zero without one
}

// noiseOr is the noise that is given, else what is known otherwise.
func (s solverChoice) noiseOr(known noise.Model) noise.Model {
	if s.noise != nil {
		return s.noise
	}
	return known
}

// open opens the prior.
func (s *solverChoice) open() (err error) {
	if s.prior != "" {
		s.Prior, err = findPrior(s.prior)
	}
	return err
}

// solverFrom reads the flags, and the file of --params where it is given.
func solverFrom(c *cli.Context) (solverChoice, error) {
	model, err := parseNoise(c.String("noise"))
	if err != nil {
		return solverChoice{}, err
	}
	s := solverChoice{noise: model, prior: c.String("prior"), Options: restore.Options{
		Choose:   priors.For,
		Solver:   c.String("solver"),
		Iters:    c.Int("iters"),
		Step:     c.Float64("step"),
		Rho:      c.Float64("rho"),
		Scale:    c.Float64("scale"),
		Ensemble: c.Bool("ensemble"),
		Tile:     c.Int("tile"),
		Threads:  c.Int("threads"),
	}}
	if s.Discrepancy = c.String("strength") == "discrepancy"; s.Discrepancy {
		s.Strength = 1
	} else if !c.IsSet("strength") {
		s.Strength = 0 // the library's choice
	} else if s.Strength, err = strconv.ParseFloat(c.String("strength"), 64); err != nil {
		return s, usagef("--strength: %q is not a number it can take, nor discrepancy", c.String("strength"))
	}
	if text := c.String("memory"); text != "" {
		if s.Memory, err = sysmem.ParseSize(text); err != nil {
			return s, usagef("--memory: %w", err)
		}
	}
	if path := c.String("params"); path != "" {
		if s.params, err = readParams(path); err != nil {
			return s, err
		}
		s.fill(c)
	}
	if c.IsSet("tol") {
		if s.Tol = c.Float64("tol"); !(s.Tol >= 0 && s.Tol < 1) {
			return s, usagef("--tol: %v; want a number in [0,1)", s.Tol)
		}
		if s.Tol == 0 {
			s.Tol = -1 // never stop
		}
	}
	// In the library's options these stand for the default.
	if !c.IsSet("iters") {
		s.Iters = 0
	}
	switch {
	case s.Iters == 0 && c.IsSet("iters"):
		return s, usagef("--iters: 0; want at least 1")
	case s.Strength == 0 && c.IsSet("strength"):
		return s, usagef("--strength: 0; want a positive number")
	case !slices.Contains(restore.Solvers(), s.Solver):
		return s, usagef("--solver: unknown solver %q%s; want %s", s.Solver, suggest(s.Solver, restore.Solvers()), strings.Join(restore.Solvers(), ", "))
	case c.IsSet("step") && !restore.TakesStep(s.Solver):
		return s, usagef("--step goes with pgd, apgd and bpg; %s has --rho", s.Solver)
	case c.IsSet("rho") && !restore.TakesRho(s.Solver):
		return s, usagef("--rho goes with admm, hqs and drs; %s has --step", s.Solver)
	}
	for _, name := range []string{"step", "rho", "scale"} {
		if c.IsSet(name) && c.Float64(name) == 0 {
			return s, usagef("--%s: 0; want a positive number, or leave it out", name)
		}
	}
	return s, asUsage(s.Validate())
}

// asUsage words an error about an option or a prior as one about a flag.
func asUsage(err error) error {
	var option *restore.OptionError
	if errors.As(err, &option) {
		return usagef("--%s: %s", option.Option, option.Reason)
	}
	if errors.As(err, new(*restore.ChannelsError)) {
		return usageError{err}
	}
	return err
}

// newPlan is restore.New with errors for the command line.
func newPlan(p restore.Problem, o restore.Options) (*restore.Plan, error) {
	plan, err := restore.New(p, o)
	return plan, asUsage(err)
}
