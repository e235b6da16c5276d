package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
	"github.com/urfave/cli/v2"
)

// This file restores pictures too large for their memory. A solver holds some
// thirty vectors of the picture's size, so a picture of 144 megapixels wants
// 17 GB. Denoising and deblurring are local: the restored pixel depends on the
// measurement nearby. So the picture is cut into windows that overlap by a
// halo, each is restored on its own, and of each only the core is kept.
//
// The problem of a window is the problem of the picture, restricted: its scene
// is the window, and its measurement are the pixels that see nothing but the
// window. Nothing is assumed beyond a cut.
//
// Where the minimiser is one evaluation of the network - denoising at the
// default strength - and the halo is the network's reach, the cores are those
// of the whole picture. Where a solver iterates, the influence of a cut fades
// with distance but has no sharp end: TestTiledDeblur bounds what is left.

const (
	// solverBytes is the memory of a solver for one sample: up to 28 vectors of
	// float32 (bpg: two points of three, three steps of three, the start, the
	// best, the last, scratch), and the operator's own.
	solverBytes = 30 * 4
	// arenaBytes is what an evaluation of the network takes where memory
	// allows; it cuts its own tiles to stay below.
	arenaBytes = 768 << 20
	// wholeBytes is what is always solved as a whole.
	wholeBytes = 64 << 20
	// programBytes is what the program is in memory besides its heap.
	programBytes = 32 << 20
	// maxWindow bounds the side of a window: beyond, the halo weighs little.
	maxWindow = 2048
)

func memoryFlag() cli.Flag {
	return &cli.StringFlag{Name: "memory", Usage: "stay below `SIZE`, as 4GiB: larger denoising and deblurring is cut into overlapping tiles", DefaultText: "three quarters of what is available"}
}

// A tiling is how a picture is cut: into cores of side pixels, each solved
// together with a halo.
type tiling struct {
	side, halo int
	budget     memoryReport // what it was chosen for
	need       int64        // of the whole picture
	tile       int64        // of one window
}

// spans are the stretches of one axis of n pixels.
func (t tiling) spans(n int) []span {
	var all []span
	for at := 0; at < n; at += t.side {
		end := min(n, at+t.side)
		all = append(all, span{lo: max(0, at-t.halo), hi: min(n, end+t.halo), keepLo: at, keepHi: end})
	}
	return all
}

// A span is one window of an axis, lo to hi, and the core that is kept of it.
type span struct{ lo, hi, keepLo, keepHi int }

// plan decides whether m is solved as a whole or in tiles, nil being whole,
// and settles its noise level. It returns an error where m fits neither way.
func (o *solverOptions) plan(con *console, name string, m *measured) (*tiling, error) {
	n := int64(m.scene.Len())
	need := n*solverBytes + min(arenaBytes, n*1024)
	if o.memory == 0 && need < wholeBytes {
		return nil, nil
	}
	budget := memoryReport{o.memory, "--memory"}
	if o.memory == 0 {
		budget = memory()
		if budget.Bound == "" {
			budget = memoryReport{4 << 30, "assumed"}
		}
	}
	left := budget.Available / 4 * 3
	if budget.Bound == "--memory" || budget.Bound == "GOMEMLIMIT" {
		// These count what is taken already: the picture, first of all.
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		left -= int64(s.HeapAlloc) + programBytes
	}
	if need <= left {
		if n >= 1<<24 {
			con.remark("%s: solved as a whole: about %s of memory, %s are available (%s)", name, byteSize(need), byteSize(budget.Available), budget.Bound)
		}
		o.arena = max(64<<20, min(arenaBytes, left-n*solverBytes))
		return nil, nil
	}
	tooLarge := func(why string) error {
		return fmt.Errorf("%s: restoring %v takes about %s of memory, %s are available (%s), and %s", name, m.scene, byteSize(need), byteSize(budget.Available), budget.Bound, why)
	}
	switch {
	case m.spec.Name() != "denoise" && m.spec.Name() != "blur":
		return nil, tooLarge("only denoise and blur are cut into tiles")
	case m.spec.Boundary() == operators.Circular:
		return nil, tooLarge("under the boundary circular, where opposite edges meet, it is not cut into tiles")
	}
	var err error
	if m.noise, err = o.level(*m); err != nil {
		return nil, err
	}
	t := &tiling{budget: budget, need: need}
	halo, pitch, err := o.halo(*m)
	if err != nil {
		return nil, tooLarge(err.Error())
	}
	t.halo = halo
	left = max(left-4*n, left/8, 1<<20) // 4n: the result
	o.arena = max(16<<20, left/3)
	window := int(math.Sqrt(float64(left*2/3) / float64(m.scene.C) / solverBytes))
	t.side = max(pitch, halo, (min(window, maxWindow)-2*halo)/pitch*pitch)
	t.side = (t.side + pitch - 1) / pitch * pitch
	if t.side >= max(m.scene.H, m.scene.W) {
		return nil, nil // a single window would be the picture
	}
	wide := int64(t.side + 2*halo)
	t.tile = wide*wide*int64(m.scene.C)*solverBytes + o.arena
	return t, nil
}

// halo returns how far beyond a core a window reaches, and the grid on which
// windows lie.
func (o solverOptions) halo(m measured) (halo, pitch int, err error) {
	_, net, err := o.network(m)
	if err != nil {
		return 0, 0, err
	}
	reach, pitch, ok := net.Config().Reach()
	if !ok {
		return 0, 0, errors.New("the prior is for pictures of one size")
	}
	halo = reach
	if m.spec.Name() == "blur" {
		kh, kw, _ := m.spec.Support()
		// Twice the network's reach, or two steps of the gradient of the
		// fidelity, each of which looks one kernel to either side.
		halo = max(2*reach, 4*max(kh, kw))
	} else if !o.oneEvaluation() {
		halo = 2 * reach
	}
	return (halo + pitch - 1) / pitch * pitch, pitch, nil
}

// oneEvaluation reports whether denoising is a single evaluation of the
// network, at whose result the gradient of the objective is zero.
func (o solverOptions) oneEvaluation() bool {
	return o.solver == "bpg" && o.strength == 1 && o.scale == 0 && o.step == 0
}

// solveTiled restores the scene of m window by window.
func (o solverOptions) solveTiled(ctx context.Context, con *console, name string, m measured, t *tiling) (solution, error) {
	rows, cols := t.spans(m.scene.H), t.spans(m.scene.W)
	n := len(rows) * len(cols)
	con.remark("%s: solved in %d tiles of %d pixels that overlap by %d: as a whole it would take about %s of memory, %s are available (%s)",
		name, n, t.side, 2*t.halo, byteSize(t.need), byteSize(t.budget.Available), t.budget.Bound)
	// Without a limit the garbage of past tiles may grow to as much as lives.
	if old := debug.SetMemoryLimit(-1); old == math.MaxInt64 {
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		limit := t.budget.Available / 10 * 9
		if t.budget.Bound != "--memory" {
			limit += int64(s.HeapAlloc)
		}
		// A limit below what lives would keep the collector busy all the time.
		debug.SetMemoryLimit(max(limit, int64(s.HeapAlloc)+4*int64(m.scene.Len())+t.tile+programBytes))
		defer debug.SetMemoryLimit(old)
	}
	h, w := m.frame()
	out := solution{noise: m.noise, image: operators.NewImage(operators.Shape{C: m.scene.C, H: h, W: w})}
	out.Converged, out.Objective = true, math.NaN()
	exact := m.spec.Name() == "denoise"
	start := time.Now()
	const parts = 100 // of the progress of one tile
	bar := con.progress("restoring", n*parts)
	defer bar.end()
	done := 0
	for _, y := range rows {
		for _, x := range cols {
			see := func(it solvers.Iterate) {
				bar.at(done*parts+min(parts-1, it.K*parts/o.iters), fmt.Sprintf("tile %d of %d", done+1, n))
			}
			s, err := o.solveWindow(ctx, con, m, y, x, see)
			if err != nil {
				return out, err
			}
			keep(out.image, s.image, m, y, x)
			out.prior, out.lambda, out.scale = s.prior, s.lambda, s.scale
			out.Iterations = max(out.Iterations, s.Iterations)
			out.Converged = out.Converged && s.Converged
			exact = exact && s.Certified && s.Residual == 0
			if !s.Certified && out.Uncertified == "" {
				out.Uncertified = s.Uncertified
			}
			if out.Reason == "" || !s.Converged {
				out.Reason = s.Reason
			}
			done++
			bar.at(done*parts, "")
		}
	}
	out.seconds = time.Since(start).Seconds()
	out.Certified = exact
	if !exact && out.Uncertified == "" {
		out.Uncertified = fmt.Sprintf("solved in %d tiles: each is certified, but together they minimise the objective only up to the influence of the cuts", n)
	}
	return out, nil
}

// solveWindow restores one window.
func (o solverOptions) solveWindow(ctx context.Context, con *console, m measured, y, x span, see func(solvers.Iterate)) (solution, error) {
	sub, a, err := window(m, y, x)
	if err != nil {
		return solution{}, err
	}
	return o.solveWith(ctx, con, sub, a, nil, see)
}

// window is the problem of one window of m.
func window(m measured, y, x span) (measured, operators.Linear, error) {
	sub := m
	sub.scene = operators.Shape{C: m.scene.C, H: y.hi - y.lo, W: x.hi - x.lo}
	sub.spec = m.spec.WithBoundary(operators.Symmetric) // the frame is the window
	a, err := m.spec.Build(sub.scene)
	if err != nil {
		return sub, nil, err
	}
	kh, kw, _ := m.spec.Support()
	seen := a.Codomain()
	top, left := 0, 0
	if m.spec.Boundary() != operators.Valid {
		// A pixel sees k/2 pixels to one side, as many or one less to the other.
		cut := func(s span, n, k int) (before, after int) {
			if s.lo > 0 {
				before = k
			}
			if s.hi < n {
				after = k
			}
			return before, after
		}
		var bottom, right int
		top, bottom = cut(y, m.scene.H, kh/2)
		left, right = cut(x, m.scene.W, kw/2)
		if seen.H -= top + bottom; seen.H < 1 {
			return sub, nil, fmt.Errorf("a kernel of %d pixels is too large for windows of %d", kh, sub.scene.H)
		}
		if seen.W -= left + right; seen.W < 1 {
			return sub, nil, fmt.Errorf("a kernel of %d pixels is too large for windows of %d", kw, sub.scene.W)
		}
		if seen != a.Codomain() {
			a = &cropped{Linear: a, part: seen, top: top, left: left}
		}
	}
	sub.y = operators.NewImage(seen)
	for c := range seen.C {
		for r := range seen.H {
			from := (c*m.y.H+y.lo+top+r)*m.y.W + x.lo + left
			copy(sub.y.Pix[(c*seen.H+r)*seen.W:][:seen.W], m.y.Pix[from:])
		}
	}
	return sub, a, nil
}

// keep copies the core of a window's scene to the frame of m.
func keep(frame, scene operators.Image, m measured, y, x span) {
	dy, dx := before(m.scene.H-frame.H), before(m.scene.W-frame.W)
	lo, hi := max(x.keepLo, dx), min(x.keepHi, dx+frame.W)
	if lo >= hi {
		return
	}
	for c := range frame.C {
		for r := max(y.keepLo, dy); r < min(y.keepHi, dy+frame.H); r++ {
			copy(frame.Pix[(c*frame.H+r-dy)*frame.W+lo-dx:][:hi-lo], scene.Pix[(c*scene.H+r-y.lo)*scene.W+lo-x.lo:])
		}
	}
}

// cropped is a linear map of which only a part of the measurement is known.
type cropped struct {
	operators.Linear
	part      operators.Shape
	top, left int
	scratch   sync.Pool
}

// Codomain is the shape of the known part.
func (a *cropped) Codomain() operators.Shape { return a.part }

// Norm is the norm of the whole map, an upper bound.
func (a *cropped) Norm() float64 { return operators.Norm(a.Linear) }

func (a *cropped) buffer() *[]float32 {
	if b, ok := a.scratch.Get().(*[]float32); ok {
		return b
	}
	b := make([]float32, a.Linear.Codomain().Len())
	return &b
}

// rows calls f with the place of each known row in the part and in the whole.
func (a *cropped) rows(f func(part, whole int)) {
	s := a.Linear.Codomain()
	for c := range s.C {
		for r := range a.part.H {
			f((c*a.part.H+r)*a.part.W, (c*s.H+a.top+r)*s.W+a.left)
		}
	}
}

func (a *cropped) check(got int, want operators.Shape) {
	if got != want.Len() {
		panic(fmt.Sprintf("cropped: slice of length %d, want %d", got, want.Len()))
	}
}

// Apply writes the known part of A x to dst.
func (a *cropped) Apply(dst, x []float32) {
	a.check(len(dst), a.part)
	b := a.buffer()
	defer a.scratch.Put(b)
	a.Linear.Apply(*b, x)
	a.rows(func(part, whole int) { copy(dst[part:part+a.part.W], (*b)[whole:]) })
}

// Adjoint takes the unknown part of the measurement for zero.
func (a *cropped) Adjoint(dst, y []float32) {
	a.check(len(y), a.part)
	b := a.buffer()
	defer a.scratch.Put(b)
	clear(*b)
	a.rows(func(part, whole int) { copy((*b)[whole:][:a.part.W], y[part:]) })
	a.Linear.Adjoint(dst, *b)
}

var (
	_ operators.Linear = (*cropped)(nil)
	_ operators.Normer = (*cropped)(nil)
)
