package main

import (
	"context"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/lpn-imaging/lpn/solvers"
	"github.com/urfave/cli/v2"
)

const measurementExt = ".npz"

func isMeasurement(path string) bool { return strings.EqualFold(filepath.Ext(path), measurementExt) }

// A measured is what there is to restore from: the data y = A x + noise of a
// scene x.
type measured struct {
	y        operators.Image
	spec     operators.Spec
	boundary string
	scene    operators.Shape
	noise    float64         // auto when it is not known
	file     operators.Image // what the spec's file held, where a measurement file brought it along
}

// open reads the kernel or mask that the spec names.
func (m measured) open(path string) (operators.Image, error) {
	if m.file.Pix != nil {
		return m.file, nil
	}
	return openOperatorFile(path)
}

// readMeasurement reads a measurement file.
func readMeasurement(path string) (measured, error) {
	f, err := os.Open(path)
	if err != nil {
		return measured{}, fmt.Errorf("%s: %w", path, cause(err))
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return measured{}, err
	}
	m, err := operators.ReadMeasurement(f, st.Size())
	if err != nil {
		return measured{}, fmt.Errorf("%s: %w", path, err)
	}
	out := measured{m.Y, m.Operator, m.Boundary, m.Scene, m.Noise, m.File}
	if math.IsNaN(out.noise) {
		out.noise = auto
	}
	return out, nil
}

// pictureMeasurement takes a picture for a measurement of a spec.
func pictureMeasurement(y operators.Image, spec operators.Spec, boundary string) (measured, error) {
	scene, err := spec.SceneShape(y.Shape, boundary, openOperatorFile)
	return measured{y: y, spec: spec, boundary: boundary, scene: scene, noise: auto}, err
}

// frame is the part of the scene that the measurement is a picture of: all of
// it, but for the boundary valid, whose scene reaches beyond.
func (m measured) frame() (h, w int) {
	if !m.spec.TakesBoundary() || m.boundary != operators.Valid.String() {
		return m.scene.H, m.scene.W
	}
	h, w = m.y.H, m.y.W
	if m.spec.Name() == "sr" {
		f := m.scene.H / m.y.H // the kernel adds less than a factor more
		fmt.Sscan(m.spec.Get("factor"), &f)
		h, w = h*f, w*f
	}
	return h, w
}

// solverOptions are the flags that restore, eval and tune share.
type solverOptions struct {
	noise    float64
	prior    string
	solver   string
	iters    int
	tol      float64
	step     float64
	rho      float64
	strength float64
	scale    float64 // 0: by workLevel
	ensemble bool
	tile     int
	threads  int
	memory   int64 // 0: what is available
	arena    int64 // of it, for one evaluation of the network; 0: the library's choice
}

var (
	solverNames = []string{"bpg", "admm", "pgd", "apgd", "hqs", "drs"}
	rhoSolvers  = []string{"admm", "hqs", "drs"}
	stepSolvers = []string{"bpg", "pgd", "apgd"}
)

func solverFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "noise", Value: "auto", Usage: "standard deviation `S` of the noise, as 0.1 or 25/255, or auto"},
		&cli.StringFlag{Name: "prior", Usage: "`NAME` of a built-in prior, or a file", DefaultText: "the built-in one that fits channels and noise"},
		&cli.StringFlag{Name: "solver", Value: "bpg", Usage: "`NAME` of the solver: " + strings.Join(solverNames, ", ")},
		&cli.IntFlag{Name: "iters", Value: 200, Usage: "at most `N` iterations"},
		&cli.Float64Flag{Name: "tol", Usage: "stop when an iteration moves the picture by less than `T`, relative; 0 never stops", DefaultText: "1e-4 for bpg, 1e-6 for the others, whose steps are shorter"},
		&cli.Float64Flag{Name: "step", Usage: "step `E` of pgd, apgd and bpg (default: from the operator)"},
		&cli.Float64Flag{Name: "rho", Usage: "penalty `R` of admm and hqs, 1/R the step of drs (default: from the operator)"},
		&cli.Float64Flag{Name: "strength", Value: 1, Usage: "regularise `T` times as much as the noise level asks for"},
		&cli.StringFlag{Name: "params", Usage: "take what flags leave open from `FILE`, made by lpn tune"},
		&cli.Float64Flag{Name: "scale", Usage: "take the prior for one of `S` times less noise, R(S x)/S^2", DefaultText: "from the operator and the noise"},
		&cli.BoolFlag{Name: "ensemble", Usage: "average psi over the 8 flips and rotations: an exact prox too, a little better, 8 times the work"},
		&cli.IntFlag{Name: "tile", Usage: "evaluate the network in tiles of `N` pixels (0: chosen by memory); the result is the same"},
	}
}

// solverFrom reads the flags, and the file of --params where it is given.
func solverFrom(c *cli.Context) (solverOptions, params, error) {
	var p params
	noise, err := parseNoise(c.String("noise"))
	if err != nil {
		return solverOptions{}, p, err
	}
	o := solverOptions{noise, c.String("prior"), c.String("solver"), c.Int("iters"), c.Float64("tol"),
		c.Float64("step"), c.Float64("rho"), c.Float64("strength"), c.Float64("scale"), c.Bool("ensemble"), c.Int("tile"), c.Int("threads"), 0, 0}
	if text := c.String("memory"); text != "" {
		if o.memory, err = parseBytes(text); err != nil {
			return o, p, usagef("--memory: %w", err)
		}
	}
	if path := c.String("params"); path != "" {
		if p, err = readParams(path); err != nil {
			return o, p, err
		}
		o.fill(c, p)
	}
	if !c.IsSet("tol") {
		o.tol = 1e-6
		if o.solver == "bpg" {
			o.tol = 1e-4
		}
	}
	return o, p, o.check()
}

func (o solverOptions) check() error {
	positive := func(v float64) bool { return v > 0 && v <= math.MaxFloat32 }
	switch {
	case !slices.Contains(solverNames, o.solver):
		return usagef("--solver: unknown solver %q%s; want %s", o.solver, suggest(o.solver, solverNames), strings.Join(solverNames, ", "))
	case o.iters < 1:
		return usagef("--iters: %d; want at least 1", o.iters)
	case !(o.tol >= 0 && o.tol < 1):
		return usagef("--tol: %v; want a number in [0,1)", o.tol)
	case o.step != 0 && !positive(o.step):
		return usagef("--step: %v; want a positive number", o.step)
	case o.rho != 0 && !positive(o.rho):
		return usagef("--rho: %v; want a positive number", o.rho)
	case o.tile < 0:
		return usagef("--tile: %d; want at least 1, or 0 to choose by memory", o.tile)
	case !positive(o.strength):
		return usagef("--strength: %v; want a positive number", o.strength)
	case o.scale != 0 && !positive(o.scale):
		return usagef("--scale: %v; want a positive number", o.scale)
	case o.step != 0 && !slices.Contains(stepSolvers, o.solver):
		return usagef("--step goes with pgd, apgd and bpg; %s has --rho", o.solver)
	case o.rho != 0 && !slices.Contains(rhoSolvers, o.solver):
		return usagef("--rho goes with admm, hqs and drs; %s has --step", o.solver)
	}
	return nil
}

// A solution is what a solver made of a measurement.
type solution struct {
	image   operators.Image // the frame
	prior   string
	noise   float64
	scale   float64
	lambda  float64
	seconds float64
	a       operators.Linear
	solvers.Result
}

// baseline is what another method makes of the same measurement.
func (s solution) baseline(ctx context.Context, m measured, name string, strength float64) (operators.Image, error) {
	x, err := baselines[name](ctx, m, s.a, s.noise, strength)
	return centre(operators.Image{Shape: m.scene, Pix: x}, s.image.H, s.image.W), err
}

// leastNoise is the noise level below which the strength no longer falls:
// without noise there would be no prior at all.
const leastNoise = 1e-3

// workLevel is the noise level of the prior that suits an operator; a prior
// trained at another level sigma is scaled to it, R_s with s = sigma/level. A
// noisy picture wants the prior for its own noise, which at the statistical
// weight is one evaluation of the network. Other operators spread and amplify
// the noise, and do best with a prior for much more of it. Means over six crops
// (docs/results.md), in dB, at noise 0.01 and the best strength, level
// 25/255, 18/255, 12/255 and 9/255: Gaussian blur of 1.6 pixels 27.43, 27.44,
// 27.43, 27.34; motion 29.93, 29.93, 29.73, 29.48; super-resolution 28.15,
// 28.17, 28.14, 28.10; at noise 0.03 the motion 26.06, 25.93, 25.39, 24.86;
// inpainting, sensing and MRI differ by less than 0.1 at the first two.
func workLevel(spec operators.Spec, noise float64) float64 {
	if spec.Name() == "denoise" {
		return noise
	}
	return max(noise, 25./255)
}

// workStrength multiplies the statistical weight. That weight takes the noise
// to be white where the prior looks; after a blur is undone, it is not. The best
// factors for two motions, a Gaussian blur of 1.6 pixels and super-resolution at
// noise from 0.005 to 0.05, between 0.5 and 2, all follow the resolved part of
// the scene: 0.48, 0.7, 1.2 and 1.8 at 0.06, 0.11, 0.25 and 0.5 of it, within
// 15%. Tomography of 200 angles, which resolves nearly all, gains 3 dB by a
// factor of 2.5. For other operators 0.7 to 1.4 differ by less than 0.1 dB.
func workStrength(m measured, a operators.Linear, noise float64) float64 {
	switch m.spec.Name() {
	case "blur", "sr":
		// All pictures, and all tiles of one, are to have the same weight.
		const side = 160
		fixed, err := m.spec.Build(operators.Shape{C: 1, H: side, W: side}, operators.Circular.String(), m.open)
		if err != nil {
			return 1 // a kernel larger than that
		}
		a = fixed
	case "tomo":
	default:
		return 1
	}
	return 2.75 * math.Pow(resolved(a, noise), 0.62)
}

// resolved is the part of the scene's degrees of freedom that a Wiener filter
// takes from the measurement, not from its model of pictures,
//
//	r = tr W A / n,  W = (A'A + mu D'D)^-1 A',
//
// by the estimate <z, W A z>/n with random signs z (Hutchinson 1990).
func resolved(a operators.Linear, noise float64) float64 {
	rng := rand.New(rand.NewPCG(0, 0x7265736f))
	z, x, y := make([]float32, a.Domain().Len()), make([]float32, a.Domain().Len()), make([]float32, a.Codomain().Len())
	for i := range z {
		z[i] = float32(2*int(rng.Uint64()>>63) - 1)
	}
	a.Apply(y, z)
	solvers.Tikhonov{A: a, Mu: wienerWeight(noise), Tol: 1e-2}.Solve(x, y)
	sum := 0.0
	for i, v := range x {
		sum += float64(v) * float64(z[i])
	}
	return min(max(sum/float64(len(z)), 0.01), 1)
}

// sensingNoise is the least noise that sensing is taken to have: what a prior
// misses of a scene counts like noise when nearly all of it has to come from the
// prior. Of chest CT sensed at 1/16 and 1/4 with noise 0.001, the weight for
// 0.003, 0.005 and 0.01 gives 34.6, 34.8 and 34.1 dB and, at 1/4, for 0.002 and
// 0.005, 41.6 and 42.0 (docs/results.md).
const sensingNoise = 5e-3

// coarse is the noise level of the first problem of a graduated start: about
// the spread of a picture's samples.
const coarse = 0.25

// graduated reports whether the quadratic estimate is so far from the scene
// that a solver would end in a poor minimum near it.
func graduated(spec operators.Spec) bool { return spec.Name() == "cs" }

// solve restores the scene of m. truth, of the frame's shape, may be nil; see
// is called on every iterate and may be nil.
func (o solverOptions) solve(ctx context.Context, con *console, m measured, truth *operators.Image, see func(solvers.Iterate)) (solution, error) {
	var s solution
	a, err := m.spec.Build(m.scene, m.boundary, m.open)
	if err != nil {
		return s, err
	}
	if n := a.Codomain().Len(); n != len(m.y.Pix) {
		return s, fmt.Errorf("a measurement of %d numbers: %s of a scene %v gives %d", len(m.y.Pix), m.spec, m.scene, n)
	}
	if m.noise, err = o.level(m); err != nil {
		return s, err
	}
	return o.solveWith(ctx, con, m, a, truth, see)
}

// solveWith is solve with the operator a of m, whose noise is known.
func (o solverOptions) solveWith(ctx context.Context, con *console, m measured, a operators.Linear, truth *operators.Image, see func(solvers.Iterate)) (solution, error) {
	s := solution{noise: m.noise}
	var net *lpn.Network
	var err error
	if s.prior, net, err = o.network(m); err != nil {
		return s, err
	}
	at := func(shape operators.Shape) (solvers.Potential, error) {
		return bind(net, shape, lpn.Threads(o.threads), lpn.Tile(o.tile), lpn.Memory(o.arena))
	}
	psi, err := at(m.scene)
	if err == nil && o.ensemble {
		psi, err = lpn.Ensemble(at, m.scene)
	}
	if err != nil {
		return s, fmt.Errorf("prior %s: %w", s.prior, err)
	}
	if c := net.Config().Channels; c != m.scene.C {
		con.remarkOnce("the prior %s is gray: a colour picture is restored channel by channel", s.prior)
	}
	s.a = a
	sigma, noise := net.Config().Sigma, max(s.noise, leastNoise)
	if m.spec.Name() == "cs" {
		noise = max(noise, sensingNoise)
	}
	s.scale = o.scale
	if s.scale == 0 {
		s.scale = 1
		// A prior that was asked for is taken as it is, but for pictures with
		// nothing else to them than noise.
		if o.prior == "" || m.spec.Name() == "denoise" {
			s.scale = sigma / workLevel(m.spec, noise)
		}
	}
	if s.scale != 1 {
		psi = lpn.Scaled(psi, s.scale)
	}
	s.lambda = o.strength * workStrength(m, a, noise) * math.Pow(noise*s.scale/sigma, 2)
	h := &solvers.LeastSquares{A: a, Y: m.y.Pix}
	method, prox := o.method(h, psi, s.lambda)
	stop := solvers.Stop{MaxIters: o.iters, RelChange: o.tol}
	if o.tol > 0 {
		stop.Gradient = 1e-9 // a minimum that the first step finds needs no second
	}
	h0, w0 := m.frame()
	if truth != nil && h0 == m.scene.H && w0 == m.scene.W {
		stop.Reference = truth.Pix
	}
	if see != nil {
		method = solvers.Watch(method, see)
	}
	start := time.Now()
	x0, err := o.start(ctx, m, a, s.noise)
	if err == nil && graduated(m.spec) {
		x0, err = lpn.Graduated{H: h, Psi: psi, Lambda: s.lambda, Scale: min(1, sigma/s.scale/coarse), Iters: min(16, o.iters)}.Start(ctx, x0)
	}
	if err != nil {
		return s, err
	}
	s.Result, err = solvers.Solve(ctx, method, x0, stop)
	s.seconds = time.Since(start).Seconds()
	if err != nil {
		return s, err
	}
	if ok, why := prox(); !ok && s.Certified {
		s.Certified, s.Uncertified = false, why
	}
	s.image = centre(operators.Image{Shape: m.scene, Pix: s.X}, h0, w0)
	return s, nil
}

// network is the prior that m, whose noise is known, is restored with.
func (o solverOptions) network(m measured) (name string, net *lpn.Network, err error) {
	if o.prior == "" {
		return choosePrior(m.scene.C, workLevel(m.spec, m.noise))
	}
	net, err = openPrior(o.prior)
	return o.prior, net, err
}

// level is the noise level: as given, as the file says, or estimated.
func (o solverOptions) level(m measured) (float64, error) {
	switch {
	case o.noise != auto:
		return o.noise, nil
	case m.noise != auto:
		return m.noise, nil
	case !m.spec.ImageShaped() || m.spec.Name() == "inpaint":
		return 0, usagef("--noise: auto wants a picture without holes, or a file that says its noise; give a number in [0,1] or a fraction like 25/255")
	}
	return noise.FindWhite(m.y), nil
}

// bind binds a network to a scene: as it is, or a gray network to each
// channel of a colour scene.
func bind(net *lpn.Network, s operators.Shape, opts ...lpn.Option) (*lpn.Bound, error) {
	c := net.Config().Channels
	switch {
	case c == s.C:
	case c == 1:
		opts = append(opts, lpn.Batch(s.C))
		s.C = 1
	default:
		return nil, usagef("it is for %d channels, the picture has %d", c, s.C)
	}
	return net.On(s, opts...)
}

// method is the solver of F(x) = h(x) + lambda R(x). Where the step t of a
// prox is not given it is the largest certified one with t lambda <= 1, the
// range in which the prox of t lambda R is a convex problem; prox says whether
// the prox is exact at the step that was chosen.
func (o solverOptions) method(h *solvers.LeastSquares, psi solvers.Potential, lambda float64) (m solvers.Method, prox func() (bool, string)) {
	if o.solver == "bpg" {
		return solvers.BPG{H: h, Psi: psi, Lambda: lambda, Step: o.step}, func() (bool, string) { return true, "" }
	}
	g := lpn.Prior{Psi: psi, Weight: lambda}.WarmStarted()
	l := h.Lipschitz()
	step, rho := o.step, o.rho
	if step == 0 {
		step = min(1/l, 1/lambda)
	}
	if rho == 0 {
		least := map[string]float64{"admm": 1.01 * l, "hqs": l / 10, "drs": l / 0.99}
		rho = max(least[o.solver], lambda)
	}
	switch o.solver {
	case "pgd":
		m = solvers.PGD{H: h, G: g, Step: step}
	case "apgd":
		m = solvers.APGD{H: h, G: g, Step: step}
	case "admm":
		m, step = solvers.ADMM{F: h, G: g, Rho: rho}, 1/rho
	case "hqs":
		m, step = solvers.HQS{F: h, G: g, Rho: rho}, 1/rho
	case "drs":
		m, step = solvers.DRS{F: h, G: g, T: 1 / rho}, 1/rho
	}
	return m, func() (bool, string) { return g.ProxCertificate(step) }
}

// start is the first picture: the measurement itself when it is a noisy
// picture of the scene, else the quadratic estimate; graduated improves on it.
func (o solverOptions) start(ctx context.Context, m measured, a operators.Linear, noise float64) ([]float32, error) {
	if m.spec.Name() == "denoise" {
		return inputBaseline(ctx, m, a, noise, 1)
	}
	return wienerBaseline(ctx, m, a, noise, 1)
}

// referenceFor finds the true picture of an input: the file itself, or the
// file of the same name in a folder.
func referenceFor(reference string, in input) (string, error) {
	st, err := os.Stat(reference)
	if err != nil || !st.IsDir() {
		return reference, err
	}
	path := filepath.Join(reference, in.rel)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	stem := strings.TrimSuffix(path, filepath.Ext(path))
	for _, ext := range imageExts {
		if _, err := os.Stat(stem + ext); err == nil {
			return stem + ext, nil
		}
	}
	return "", fmt.Errorf("%s: %w", path, fs.ErrNotExist)
}
