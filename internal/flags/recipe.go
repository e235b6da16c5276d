package flags

import (
	"cmp"
	"errors"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/lpn-imaging/lpn/internal/sysmem"
	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/restore"
)

// A Recipe holds the flags that say how to solve.
type Recipe struct {
	Prior    string // --prior, a name or a file
	Solver   string
	Strength string // a number, or discrepancy
	Params   string // the file of --params
	Memory   string // a size, as 4GiB
	Iters    int
	Tile     int
	Threads  int
	Tol      float64 // as Tol makes it
	Step     float64
	Rho      float64
	Scale    float64
	Ensemble bool
}

// A Choice is what a Recipe comes to.
type Choice struct {
	restore.Options
	// PriorName is the name or the file of the prior, "" for the one that fits. Open
	// opens it.
	PriorName string
	// Params is the file of --params, zero without one.
	Params Params
}

// Choice reads the file of --params, which says what no flag does, and checks
// everything.
func (r Recipe) Choice() (Choice, error) {
	c := Choice{PriorName: r.Prior}
	var err error
	if r.Params != "" {
		if c.Params, err = ReadParams(r.Params); err != nil {
			return c, err
		}
	}
	p := c.Params
	c.PriorName = cmp.Or(r.Prior, p.Prior)
	c.Options = restore.Options{
		Choose: priors.For, Solver: cmp.Or(r.Solver, p.Solver, "bpg"), Iters: r.Iters, Tol: r.Tol, Step: r.Step, Rho: r.Rho,
		Strength: p.Strength, Scale: cmp.Or(r.Scale, p.Scale), Ensemble: r.Ensemble, Tile: r.Tile, Threads: r.Threads,
	}
	if restore.TakesRho(c.Solver) {
		c.Rho = cmp.Or(r.Rho, p.Rho)
	}
	if c.Discrepancy = r.Strength == "discrepancy"; c.Discrepancy {
		c.Strength = 1
	} else if r.Strength != "" {
		switch c.Strength, err = strconv.ParseFloat(r.Strength, 64); {
		case err != nil:
			return c, bad("strength", "%q is not a number it can take, nor discrepancy", r.Strength)
		case c.Strength == 0:
			return c, bad("strength", "0; want a positive number")
		}
	}
	if r.Memory != "" {
		if c.Memory, err = sysmem.ParseSize(r.Memory); err != nil {
			return c, bad("memory", "%w", err)
		}
	}
	switch {
	case !slices.Contains(restore.Solvers(), c.Solver):
		return c, bad("solver", "unknown solver %q%s; want %s", c.Solver, Suggest(c.Solver, restore.Solvers()), strings.Join(restore.Solvers(), ", "))
	case r.Step != 0 && !restore.TakesStep(c.Solver):
		return c, bad("step", "goes with pgd, apgd and bpg; %s has --rho", c.Solver)
	case r.Rho != 0 && !restore.TakesRho(c.Solver):
		return c, bad("rho", "goes with admm, hqs and drs; %s has --step", c.Solver)
	}
	return c, Of(c.Validate())
}

// Open opens the prior.
func (c *Choice) Open() (err error) {
	if c.PriorName != "" {
		c.Prior, err = Prior(c.PriorName)
	}
	return err
}

// Tol is the Tol of Options for the value of --tol: 0 never stops.
func Tol(v float64) (float64, error) {
	switch {
	case !(v >= 0 && v < 1):
		return 0, bad("tol", "%v; want a number in [0,1)", v)
	case v == 0:
		return -1, nil
	}
	return v, nil
}

// Prior finds a prior by the name of a built-in one, or by file.
func Prior(name string) (priors.Prior, error) {
	if p, err := priors.Open(name); err == nil {
		return p, nil
	}
	if st, err := os.Stat(name); err == nil && st.IsDir() {
		return priors.Prior{}, bad("prior", "%s is a folder, not a file", name)
	}
	p, err := priors.File(name)
	if errors.Is(err, fs.ErrNotExist) {
		if strings.ContainsAny(name, `./\`) {
			return p, bad("prior", "%s: no such file", name)
		}
		return p, bad("prior", "no built-in prior and no file %q%s; built in: %s", name, Suggest(name, priors.Names()), strings.Join(priors.Names(), ", "))
	}
	return p, err
}

// Range reads --range, LO:HI; "" is the zero Range.
func Range(s string) (restore.Range, error) {
	if s == "" {
		return restore.Range{}, nil
	}
	lo, hi, ok := strings.Cut(s, ":")
	l, errLo := strconv.ParseFloat(strings.TrimSpace(lo), 64)
	h, errHi := strconv.ParseFloat(strings.TrimSpace(hi), 64)
	if !ok || errLo != nil || errHi != nil || !(l < h) || math.IsInf(h-l, 0) {
		return restore.Range{}, bad("range", "%q; want LO:HI, two numbers of which the first is smaller, as 0:4095", s)
	}
	return restore.Range{Lo: l, Hi: h}, nil
}
