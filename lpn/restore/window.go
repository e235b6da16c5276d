package restore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"iter"
	"math"
	"sync"
	"time"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
)

// This file restores images too large for their memory. A solver holds some
// thirty vectors of the image's size, so an image of 144 megapixels needs 17 GB.
// Denoising and deblurring are local: the restored pixel depends on the
// measurement nearby. So the image is cut into windows that overlap by a halo,
// each is restored on its own, and of each only the core is kept.
//
// The problem of a window is the problem of the image, restricted: its scene is
// the window, and its measurement are the pixels that depend on nothing but the
// window. Nothing is assumed beyond a cut.
//
// Where the minimiser is one evaluation of the network - denoising at the
// default strength - and the halo is the network's receptive field, the cores
// are those of the whole image. Where a solver iterates, the influence of a cut
// fades with distance but has no sharp end: TestTiledDeblur bounds what is left.
//
// A plan that goes over a Source (Plan.Over) has no samples of its own: each window
// is read when it is solved.

// Windows is how an image is cut: into Count cores with sides of Side pixels, each
// solved together with a Halo.
type Windows struct {
	Side  int `json:"side"`
	Halo  int `json:"halo"`
	Count int `json:"count"`
}

// A span is one window of an axis, lo to hi, and the core that is kept of it.
type span struct{ lo, hi, keepLo, keepHi int }

// spans cuts an axis of n pixels.
func spans(n, side, halo int) []span {
	var all []span
	for at := 0; at < n; at += side {
		end := min(n, at+side)
		all = append(all, span{lo: max(0, at-halo), hi: min(n, end+halo), keepLo: at, keepHi: end})
	}
	return all
}

// halo returns how far beyond a core a window reaches, and the grid on which
// windows lie.
func (p *Plan) halo() (halo, pitch int, err error) {
	field, pitch, ok := p.net.Config().ReceptiveField()
	if !ok {
		return 0, 0, errors.New("the prior is for pictures of one size")
	}
	halo = field
	if !p.oneEvaluation() {
		// Twice the network's receptive field, or two steps of the gradient of the
		// fidelity, each of which looks one kernel to either side.
		kh, kw, _ := p.Operator.Support()
		halo = max(2*field, 4*max(kh, kw))
	}
	if p.policy.rounded { // windows lie on whole blocks
		a, err := p.problem.build(p.Scene)
		if err != nil {
			return 0, 0, err
		}
		grid := a.(*operators.JPEG).Grid()
		for pitch%grid != 0 {
			pitch += pitch
		}
	}
	return (halo + pitch - 1) / pitch * pitch, pitch, nil
}

// oneEvaluation reports whether the minimiser is a single evaluation of the
// network, at whose result the gradient of the objective is zero.
func (p *Plan) oneEvaluation() bool {
	o := p.options
	statistical := math.Abs(p.Scale*p.level()/p.Sigma-1) < 1e-9
	return p.policy.alone && !p.correlated() && statistical && o.Solver == "bpg" && o.Strength == 1 && o.Step == 0
}

// solveWindows restores the problem window by window.
func (p *Plan) solveWindows(ctx context.Context, see func(Progress)) (Result, error) {
	start := time.Now()
	n := p.windows()
	at := func(k int) func(solvers.Iterate) {
		return func(it solvers.Iterate) { see(Progress{Window: k, Windows: n, Iterate: it}) }
	}
	p, err := p.settled(ctx, at(0))
	if err != nil {
		return Result{}, err
	}
	if p.refusal != "" {
		return p.refused(p.refusal, start), ctx.Err()
	}
	r, err := p.Join(func(yield func(Core, error) bool) {
		for k := range n {
			if c, err := p.solveCore(ctx, k, at(k)); !yield(c, err) || err != nil {
				return
			}
		}
	})
	r.Seconds = time.Since(start).Seconds()
	return r, err
}

// Settle is the plan with the strength that the window in the middle asks for: the
// one by discrepancy, or a larger one where the result is implausible otherwise. All
// windows have the same. It panics without Windows. A plan in windows may be carried
// out by several processes: each settles the same plan, solves some of the cores
// ([Plan.SolveCore]), and one joins all of them ([Plan.Join]). The result is that of
// Solve, bit for bit.
func (p *Plan) Settle(ctx context.Context) (*Plan, error) {
	return p.settled(ctx, func(solvers.Iterate) {})
}

// SolveCore restores window k, 0 <= k < Windows.Count, counted row by row. p must be
// settled.
func (p *Plan) SolveCore(ctx context.Context, k int) (Core, error) {
	return p.solveCore(ctx, k, func(solvers.Iterate) {})
}

// A Core is what is kept of a window: the part of the scene that no other window
// keeps, and what is known of it. It can be written and read again, by encoding/gob or
// as bytes, for another process.
type Core struct {
	// Window is the window's number.
	Window int
	at     image.Rectangle // in the frame
	pix    operators.Image // normalised
	report coreReport
}

// A coreReport is what a Result needs to know of a window.
type coreReport struct {
	Iterations                  int
	Converged, Certified, Exact bool // Exact: the last step moved nothing
	Uncertified, Reason         string
	Seen                        [10]float64 // the examination
	Measured                    Range       // the least and the largest sample of its measurement
}

// coreHead is what a core's bytes begin with, in little-endian order. The two strings of the report
// and the samples follow.
type coreHead struct {
	Window                      int64
	At                          [4]int64 // left, top, right and bottom in the frame
	Shape                       [3]int64
	Iterations                  int64
	Converged, Certified, Exact bool
	Seen                        [10]float64
	Measured                    Range
	Uncertified, Reason         int64 // lengths in bytes
}

// MarshalBinary writes all of the core.
func (c Core) MarshalBinary() ([]byte, error) {
	r, m := c.report, c.pix
	b, err := binary.Append(nil, binary.LittleEndian, coreHead{
		int64(c.Window), [4]int64{int64(c.at.Min.X), int64(c.at.Min.Y), int64(c.at.Max.X), int64(c.at.Max.Y)},
		[3]int64{int64(m.C), int64(m.H), int64(m.W)}, int64(r.Iterations), r.Converged, r.Certified, r.Exact,
		r.Seen, r.Measured, int64(len(r.Uncertified)), int64(len(r.Reason)),
	})
	if err != nil {
		return nil, err
	}
	return binary.Append(append(append(b, r.Uncertified...), r.Reason...), binary.LittleEndian, m.Pix)
}

// UnmarshalBinary reads what MarshalBinary wrote.
func (c *Core) UnmarshalBinary(data []byte) error {
	var h coreHead
	n, err := binary.Decode(data, binary.LittleEndian, &h)
	if err != nil {
		return fmt.Errorf("restore: core: %w", err)
	}
	data = data[n:]
	s := operators.Shape{C: int(h.Shape[0]), H: int(h.Shape[1]), W: int(h.Shape[2])}
	at := image.Rect(int(h.At[0]), int(h.At[1]), int(h.At[2]), int(h.At[3]))
	left := int64(len(data))
	bad := h.Uncertified < 0 || h.Uncertified > left || h.Reason < 0 || h.Reason > left-h.Uncertified
	pix := left - h.Uncertified - h.Reason
	most := int(left) // of each product, so that none overflows
	bad = bad || pix%4 != 0 || s.C < 0 || s.H != at.Dy() || s.W != at.Dx() || s.H < 0 || s.W < 0 ||
		max(s.C, s.H, s.W) > most || s.W > 0 && s.C*s.H > most
	if bad || int64(s.C*s.H*s.W) != pix/4 {
		return fmt.Errorf("restore: core: %d bytes of a shape %v at %v", left, s, at)
	}
	words, reason := string(data[:h.Uncertified]), string(data[h.Uncertified:h.Uncertified+h.Reason])
	m := operators.NewImage(s)
	if _, err := binary.Decode(data[h.Uncertified+h.Reason:], binary.LittleEndian, m.Pix); err != nil {
		return fmt.Errorf("restore: core: %w", err)
	}
	*c = Core{int(h.Window), at, m, coreReport{int(h.Iterations), h.Converged, h.Certified, h.Exact, words, reason, h.Seen, h.Measured}}
	return nil
}

// Join puts all cores of a settled plan together, which come in the order of their
// numbers, and looks at the whole. Its error is the first of cores, or of a core that is
// not there.
func (p *Plan) Join(cores iter.Seq2[Core, error]) (Result, error) {
	m := operators.NewImage(operators.Shape{C: p.Scene.C, H: p.FrameH, W: p.FrameW})
	out, seen, before, err := p.join(cores, func(c Core) error {
		c.keep(m, 0)
		return nil
	})
	if out.Image = m; err != nil {
		return out, err
	}
	out.Image = p.given(m)
	switch {
	case p.strained(seen):
		return out, p.giveWay(&out)
	case p.refusal != "":
		out = p.refused(p.refusal, time.Now())
	default:
		p.doubtBlur(&out, p.implausible(seen, before) != "")
	}
	return out, nil
}

// JoinRows is Join for a result that is too large to be held: put is called with the rows
// of the frame, from the first to the last, some more in every call. It must not keep them.
// The Result has no Image. An error of put ends it and is returned.
func (p *Plan) JoinRows(cores iter.Seq2[Core, error], put func(rows operators.Image) error) (Result, error) {
	var band operators.Image // of the cores of one row of windows
	from := 0                // its first row in the frame
	flush := func() error {
		if band.Pix == nil {
			return nil
		}
		rows := p.given(band)
		from += band.H
		band = operators.Image{}
		return put(rows)
	}
	out, seen, _, err := p.join(cores, func(c Core) error {
		if c.at.Empty() { // all of it in the margin around the frame
			return nil
		}
		if c.at.Min.Y != from {
			if err := flush(); err != nil {
				return err
			}
		}
		if band.Pix == nil {
			band = operators.NewImage(operators.Shape{C: p.Scene.C, H: c.at.Dy(), W: p.FrameW})
		}
		if c.at.Min.Y != from || c.at.Dy() != band.H {
			return fmt.Errorf("restore: core %d at %v where rows %d to %d belong", c.Window, c.at, from, from+band.H)
		}
		c.keep(band, from)
		return nil
	})
	if err == nil {
		err = flush()
	}
	if err == nil && p.strained(seen) {
		err = errors.New("restore: a JPEG file is joined as a whole")
	}
	return out, err
}

// join calls keep with the cores, and says what the whole came to, and the range that the
// measurement speaks for.
func (p *Plan) join(cores iter.Seq2[Core, error], keep func(Core) error) (Result, examination, Range, error) {
	var out Result
	out.Converged, out.Objective = true, math.NaN()
	n := p.windows()
	exact := p.policy.alone
	seen := newExamination()
	measured := Range{math.Inf(1), math.Inf(-1)}
	done := 0
	for c, err := range cores {
		if err == nil && (c.Window != done || c.pix.C != p.Scene.C || !c.at.In(image.Rect(0, 0, p.FrameW, p.FrameH))) {
			err = fmt.Errorf("restore: core %d of %d where %d belongs", c.Window, n, done)
		}
		if err == nil {
			err = keep(c)
		}
		if err != nil {
			return out, seen, measured, err
		}
		r := c.report
		seen.add(examinationOf(r.Seen))
		measured = Range{min(measured.Lo, r.Measured.Lo), max(measured.Hi, r.Measured.Hi)}
		out.Iterations = max(out.Iterations, r.Iterations)
		out.Converged = out.Converged && r.Converged
		exact = exact && r.Certified && r.Exact
		if !r.Certified && out.Uncertified == "" {
			out.Uncertified = r.Uncertified
		}
		if out.Reason == "" || !r.Converged {
			out.Reason = r.Reason
		}
		done++
	}
	if done != n {
		return out, seen, measured, fmt.Errorf("restore: %d of %d cores", done, n)
	}
	before := p.expectedOf(measured)
	out.Strength, out.Suspect = p.Strength, p.verdict(seen, before)
	p.sayLeftAlone(&out)
	if note := p.overstated(); note != "" {
		out.Note = note
	}
	out.Certified = exact
	if !exact && out.Uncertified == "" {
		out.Uncertified = fmt.Sprintf("solved in %d windows: each is certified, but together they minimise the objective only up to the influence of the cuts", n)
	}
	return out, seen, before, nil
}

// spans are the rows and columns of windows.
func (p *Plan) spans() (rows, cols []span) {
	return spans(p.Scene.H, p.Windows.Side, p.Windows.Halo), spans(p.Scene.W, p.Windows.Side, p.Windows.Halo)
}

// windows is the number of windows.
func (p *Plan) windows() int {
	rows, cols := p.spans()
	return len(rows) * len(cols)
}

// solveCore restores one window and examines the result.
func (p *Plan) solveCore(ctx context.Context, k int, see func(solvers.Iterate)) (Core, error) {
	rows, cols := p.spans()
	if n := p.windows(); k < 0 || k >= n {
		panic(fmt.Sprintf("restore: window %d of %d", k, n))
	}
	y, x := rows[k/len(cols)], cols[k%len(cols)]
	a, part, err := p.window(y, x)
	if err != nil {
		return Core{}, err
	}
	psi, err := p.potential(a.Domain())
	if err != nil {
		return Core{}, err
	}
	r, err := p.minimise(ctx, a, part, psi, nil, see)
	if err != nil {
		return Core{}, err
	}
	c := p.core(r.X, y, x)
	c.Window = k
	c.report = coreReport{r.Iterations, r.Converged, r.Certified, r.Residual == 0, r.Uncertified, r.Reason, p.examine(a, part, psi, r).numbers(), extent(part.Pix)}
	return c, nil
}

// settled is Settle with progress.
func (p *Plan) settled(ctx context.Context, see func(solvers.Iterate)) (*Plan, error) {
	rows, cols := p.spans()
	if !p.options.Discrepancy && !p.free && !p.gently() {
		return p, nil
	}
	middle := *p
	if middle.refusal = p.foreign(); middle.refusal != "" {
		middle.free = false
		return &middle, nil
	}
	a, part, err := p.window(rows[len(rows)/2], cols[len(cols)/2])
	if err != nil {
		return p, err
	}
	if middle.psi, err = p.potential(a.Domain()); err != nil {
		return p, err
	}
	s, err := middle.solve(ctx, func(q *Plan, y operators.Image) (solvers.Result, error) {
		return q.minimise(ctx, a, y, q.psi, nil, see)
	}, a, part, middle.psi)
	if err != nil {
		return p, err
	}
	s.plan.free = false
	return s.plan, nil
}

// window is the operator of one window, and its measurement.
func (p *Plan) window(y, x span) (operators.Linear, operators.Image, error) {
	scene := operators.Shape{C: p.Scene.C, H: y.hi - y.lo, W: x.hi - x.lo}
	a, err := p.Operator.Build(scene)
	if err != nil {
		return nil, operators.Image{}, err
	}
	if part, ok := a.(*operators.JPEG); ok {
		whole, err := p.problem.build(p.Scene)
		if err != nil {
			return nil, operators.Image{}, err
		}
		cut := operators.NewImage(part.Codomain())
		whole.(*operators.JPEG).Cut(cut.Pix, p.problem.Y.Pix, part, y.lo, x.lo)
		return part, cut, nil
	}
	kh, kw, _ := p.Operator.Support()
	seen := a.Codomain()
	top, left := 0, 0
	if p.Boundary != operators.Valid.String() {
		// A pixel depends on k/2 pixels to one side, as many or one less to the other.
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
		top, bottom = cut(y, p.Scene.H, kh/2)
		left, right = cut(x, p.Scene.W, kw/2)
		seen.H -= top + bottom
		seen.W -= left + right
		if seen.H < 1 || seen.W < 1 {
			return nil, operators.Image{}, fmt.Errorf("a kernel of %d pixels is too large for windows of %d", max(kh, kw), max(scene.H, scene.W))
		}
		if seen != a.Codomain() {
			a = &cropped{Linear: a, part: seen, top: top, left: left}
		}
	}
	part := operators.NewImage(seen)
	if p.source != nil {
		return a, part, p.read(part, y.lo+top, x.lo+left)
	}
	from := p.problem.Y
	for c := range seen.C {
		for r := range seen.H {
			at := (c*from.H+y.lo+top+r)*from.W + x.lo + left
			copy(part.Pix[(c*seen.H+r)*seen.W:][:seen.W], from.Pix[at:])
		}
	}
	return a, part, nil
}

// core is what is kept of a window's scene.
func (p *Plan) core(scene []float32, y, x span) Core {
	h, w := y.hi-y.lo, x.hi-x.lo
	dy, dx := Margin(p.Scene.H-p.FrameH), Margin(p.Scene.W-p.FrameW)
	kept := image.Rect(x.keepLo, y.keepLo, x.keepHi, y.keepHi).Intersect(image.Rect(dx, dy, dx+p.FrameW, dy+p.FrameH))
	c := Core{at: kept.Sub(image.Pt(dx, dy)), pix: operators.NewImage(operators.Shape{C: p.Scene.C, H: kept.Dy(), W: kept.Dx()})}
	for k := range p.Scene.C {
		for r := range c.pix.H {
			copy(c.pix.Plane(k)[r*c.pix.W:][:c.pix.W], scene[(k*h+kept.Min.Y+r-y.lo)*w+kept.Min.X-x.lo:])
		}
	}
	return c
}

// keep copies the core to rows of the frame, the first of which is from.
func (c Core) keep(rows operators.Image, from int) {
	for k := range rows.C {
		for r := range c.pix.H {
			copy(rows.Plane(k)[(c.at.Min.Y-from+r)*rows.W+c.at.Min.X:], c.pix.Plane(k)[r*c.pix.W:][:c.pix.W])
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
