package restore

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/lpn/priors"
)

// Options say how to restore. Zero values are defaults that suit most problems, except
// that Prior or Choose must be set.
type Options struct {
	// Prior is the prior to use. Default: what Choose returns.
	Prior priors.Prior
	// Choose picks a prior for the channels of the scene and a noise level. With
	// priors.For a program contains all built-in priors.
	Choose func(channels int, noise float64) priors.Prior
	// Solver is one of Solvers. Default bpg.
	Solver string
	// Iters bounds the iterations. Default 200.
	Iters int
	// Tol ends the iterations when one changes the image by less, relative to its norm.
	// 0 is the default, 1e-4 for bpg and 1e-6 for the others, whose steps are shorter,
	// 1e-5 for sr and tomo, 0.3 times the noise and at most 3e-3 for a given blur with noise
	// of 0.0075 and more (and see Plan.Fall and Plan.Distance); negative never stops.
	Tol float64
	// Step is the step of pgd, apgd and bpg. Rho is the penalty of admm and hqs; the
	// step of drs is 1/Rho. Default: from the operator and the weight.
	Step, Rho float64
	// Strength multiplies the weight lambda of the prior. Default 1.
	Strength float64
	// Discrepancy searches for the strength at which the residual is as large as the
	// noise, beginning with Strength. It is for operators that are not exact.
	Discrepancy bool
	// Scale s uses the prior for s times less noise: R(s x)/s^2. Default: from the
	// operator and the noise.
	Scale float64
	// Ensemble averages psi over the 8 flips and rotations.
	Ensemble bool
	// Tile is the side in pixels of the tiles in which the network is evaluated; the
	// result is the same. Default: from the memory.
	Tile int
	// Threads bounds the cores that the network uses. Default: all.
	Threads int
	// Memory is the most bytes that a restoration may take; larger problems are solved
	// in windows. Default: three quarters of what is available.
	Memory int64
	// Window cuts a problem that can be cut into windows of that many pixels, halo
	// included, whatever the memory, so that the cuts are the same on every machine.
	// Default: by memory, 2048 at most.
	Window int

	tolByDefault   bool // Tol was not given
	itersByDefault bool // likewise
}

// Solvers lists the names of the solvers.
func Solvers() []string { return slices.Clone(solverNames) }

var (
	solverNames = []string{"bpg", "admm", "pgd", "apgd", "hqs", "drs"}
	rhoSolvers  = []string{"admm", "hqs", "drs"}
	stepSolvers = []string{"bpg", "pgd", "apgd"}
)

// TakesRho reports whether a solver has the penalty Rho.
func TakesRho(solver string) bool { return slices.Contains(rhoSolvers, solver) }

// TakesStep reports whether a solver has the step Step.
func TakesStep(solver string) bool { return slices.Contains(stepSolvers, solver) }

// An OptionError says that an option has a value that it cannot have.
type OptionError struct {
	Option string // the field's name in lower case
	Reason string // the value, and what would be right
}

func (e *OptionError) Error() string { return "restore: " + e.Option + ": " + e.Reason }

// withDefaults fills in what does not depend on the problem.
func (o Options) withDefaults() Options {
	if o.Solver == "" {
		o.Solver = "bpg"
	}
	if o.Iters == 0 {
		o.Iters, o.itersByDefault = 200, true
	}
	o.tolByDefault = o.tolByDefault || o.Tol == 0
	switch {
	case o.Tol < 0:
		o.Tol = 0
	case o.Tol == 0 && o.Solver == "bpg":
		o.Tol = 1e-4
	case o.Tol == 0:
		o.Tol = 1e-6
	}
	if o.Strength == 0 {
		o.Strength = 1
	}
	return o
}

// Validate returns an *OptionError about the first bad option, nil if all are good.
func (o Options) Validate() error {
	o = o.withDefaults()
	positive := func(v float64) bool { return v > 0 && v <= math.MaxFloat32 }
	bad := func(option, format string, args ...any) error {
		return &OptionError{option, fmt.Sprintf(format, args...)}
	}
	switch {
	case !slices.Contains(solverNames, o.Solver):
		return bad("solver", "unknown solver %q; want %s", o.Solver, strings.Join(solverNames, ", "))
	case o.Iters < 1:
		return bad("iters", "%d; want at least 1", o.Iters)
	case !(o.Tol < 1):
		return bad("tol", "%v; want a number in [0,1)", o.Tol)
	case o.Step != 0 && !positive(o.Step):
		return bad("step", "%v; want a positive number", o.Step)
	case o.Rho != 0 && !positive(o.Rho):
		return bad("rho", "%v; want a positive number", o.Rho)
	case o.Tile < 0:
		return bad("tile", "%d; want at least 1, or 0 to choose by memory", o.Tile)
	case o.Window < 0:
		return bad("window", "%d; want at least 1, or 0 to choose by memory", o.Window)
	case !positive(o.Strength):
		return bad("strength", "%v; want a positive number", o.Strength)
	case o.Scale != 0 && !positive(o.Scale):
		return bad("scale", "%v; want a positive number", o.Scale)
	case o.Step != 0 && !TakesStep(o.Solver):
		return bad("step", "goes with pgd, apgd and bpg; %s has rho", o.Solver)
	case o.Rho != 0 && !TakesRho(o.Solver):
		return bad("rho", "goes with admm, hqs and drs; %s has step", o.Solver)
	}
	return nil
}

// prior is the prior for a scene at a working noise level.
func (o Options) prior(channels int, level float64) (priors.Prior, error) {
	switch {
	case !o.Prior.IsZero():
		return o.Prior, nil
	case o.Choose != nil:
		return o.Choose(channels, level), nil
	}
	return priors.Prior{}, &OptionError{"prior", "none given; want Options.Prior, or Options.Choose: priors.For"}
}
