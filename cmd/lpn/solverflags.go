package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/lpn-imaging/lpn/internal/flags"
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
	flags.Choice
	noise noise.Model // nil unless it is given
}

// noiseOr is the noise that is given, else what is known otherwise.
func (s solverChoice) noiseOr(known noise.Model) noise.Model {
	if s.noise != nil {
		return s.noise
	}
	return known
}

// open opens the prior.
func (s *solverChoice) open() error { return asUsage(s.Open()) }

// solverFrom reads the flags, and the file of --params where it is given.
func solverFrom(c *cli.Context) (s solverChoice, err error) {
	if s.noise, err = parseNoise(c.String("noise")); err != nil {
		return s, err
	}
	// For the library zero is a default; here it would be a value.
	for _, name := range []string{"iters", "step", "rho", "scale"} {
		if c.IsSet(name) && fmt.Sprint(c.Value(name)) == "0" {
			return s, usagef("--%s: 0; want a positive number, or leave it out", name)
		}
	}
	f := flags.Recipe{
		Prior: c.String("prior"), Params: c.String("params"), Memory: c.String("memory"),
		Tile: c.Int("tile"), Threads: c.Int("threads"),
		Step: c.Float64("step"), Rho: c.Float64("rho"), Scale: c.Float64("scale"), Ensemble: c.Bool("ensemble"),
	}
	if c.IsSet("solver") {
		f.Solver = c.String("solver")
	}
	if c.IsSet("strength") {
		f.Strength = c.String("strength")
	}
	if c.IsSet("iters") {
		f.Iters = c.Int("iters")
	}
	if c.IsSet("tol") {
		if f.Tol, err = flags.Tol(c.Float64("tol")); err != nil {
			return s, asUsage(err)
		}
	}
	s.Choice, err = f.Choice()
	return s, asUsage(err)
}

// asUsage makes an error about a flag, an option or a prior one about the command line.
func asUsage(err error) error {
	err = flags.Of(err)
	if errors.As(err, new(*flags.Error)) || errors.As(err, new(*restore.ChannelsError)) {
		return usageError{err}
	}
	return err
}

// newPlan is restore.New with errors for the command line.
func newPlan(p restore.Problem, o restore.Options) (*restore.Plan, error) {
	plan, err := restore.New(p, o)
	return plan, asUsage(err)
}
