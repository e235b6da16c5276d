package solvers

import (
	"context"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/lpn-imaging/lpn/solvers/metrics"
)

// Stop says when Solve ends. The zero value runs 200 iterations.
type Stop struct {
	// MaxIters bounds the iterations. Default 200.
	MaxIters int
	// RelChange ends the run when ||x_k - x_{k-1}|| <= RelChange ||x_k||.
	// 0: not used.
	RelChange float64
	// Distance ends the run when the changes, if they go on falling as they did, add up to
	// at most Distance ||x_k||, twice in a row: with d the largest of the last 3, and q^6
	// its ratio to the largest of the 3 that lie 6 iterations back, d q/(1-q). 0: not used.
	Distance float64
	// Objective ends the run when F has fallen by less than Objective |F|
	// over the last 5 iterations. 0: not used.
	Objective float64
	// Gradient ends the run when the method's residual (Iterate.Residual,
	// relative) is at most this. 0: not used.
	Gradient float64
	// Reference, if given, is the true picture: each TracePoint then has the
	// PSNR of its iterate.
	Reference []float32
}

// A TracePoint is one line of a run's record. Numbers that are not known are
// NaN.
type TracePoint struct {
	K int
	// Seconds is the time spent in the method up to here.
	Seconds float64
	// Objective, Data, Prior and Residual are those of the Iterate.
	Objective, Data, Prior, Residual float64
	// Change is ||x_k - x_{k-1}|| / ||x_k||.
	Change float64
	// PSNR against Stop.Reference, in dB; NaN without one.
	PSNR float64
}

// A Result is the result of Solve.
type Result struct {
	// X is the estimate; it belongs to the caller.
	X []float32
	// Iterations is the number made; X is from iteration Kept, the last one
	// unless the run diverged.
	Iterations, Kept int
	// Objective, Data, Prior and Residual are those of X, NaN if unknown.
	Objective, Data, Prior, Residual float64
	// Converged: a tolerance of Stop was met, or the method ended because no step
	// lowered F by more than rounding, with a residual below 1e-2.
	Converged bool
	// Diverged: the run was cut because its numbers blew up.
	Diverged bool
	// Certified: the method's conditions hold for its parameters and nothing
	// in the run contradicted them. Uncertified says why not.
	Certified   bool
	Uncertified string
	// Reason says in a sentence why the run ended.
	Reason string
	// Trace has one point an iteration.
	Trace []TracePoint
}

// descender is a method whose objective may not rise while it is certified.
type descender interface{ descends() }

// riseTolerance is the rise of F, relative to |F|+|Data|+|Prior|, that is
// taken for rounding: R is a difference of float32 inner products about a
// hundred times larger than itself.
const riseTolerance = 1e-5

// endResidual is the residual at which a method that ends by itself has
// converged.
const endResidual = 1e-2

// Solve runs m from x0 until a tolerance of s is met, the iterations are spent, the
// numbers blow up (NaN, infinities, an objective far above its start or falling without
// bound), or ctx ends. A run that blew up returns the iterate of lowest objective, or
// the last finite one if the method has no objective; Reason tells this. The error is
// not nil if ctx ended (the Result then holds the last iterate) or if no iterate was
// finite.
func Solve(ctx context.Context, m Method, x0 []float32, s Stop) (Result, error) {
	limit := s.MaxIters
	if limit == 0 {
		limit = 200
	}
	if s.Reference != nil {
		checkLen("Stop.Reference", len(s.Reference), len(x0))
	}
	r := run{stop: s, last: make([]float32, len(x0)), best: make([]float32, len(x0))}
	copy(r.last, x0)
	copy(r.best, x0)
	r.Objective, r.Data, r.Prior, r.Residual = unset(), unset(), unset(), unset()
	r.Certified, r.Uncertified = false, "the method has no certificate"
	if c, ok := m.(Certifier); ok {
		r.Certified, r.Uncertified = c.Certificate()
	}
	_, r.descends = unwrap(m).(descender)
	ended := true
	if ctx.Err() != nil {
		r.Reason = "cancelled"
		r.X = r.last
		return r.Result, ctx.Err()
	}
	start := time.Now()
	spent := 0.0
	var err error
	for it := range m.Steps(x0) {
		spent += time.Since(start).Seconds()
		done := r.take(it, spent)
		if !done && ctx.Err() != nil {
			err, done = ctx.Err(), true
			r.Reason = "cancelled"
		}
		if !done && r.Iterations >= limit {
			r.Reason = fmt.Sprintf("%d iterations made", limit)
			done = true
		}
		if done {
			ended = false
			break
		}
		start = time.Now()
	}
	if ended {
		r.Converged = r.Residual <= endResidual
		r.Reason = fmt.Sprintf("no step lowers the objective by more than rounding, at a residual of %.2g", r.Residual)
	}
	if r.Diverged {
		r.X = r.best
		r.Certified = false
		r.Uncertified = "the run diverged"
		if r.Kept == 0 {
			return r.Result, fmt.Errorf("solvers: no finite iterate: %s", r.Reason)
		}
		return r.Result, nil
	}
	r.X = r.last
	return r.Result, err
}

// run is the state of Solve.
type run struct {
	Result
	stop       Stop
	last, best []float32
	first      float64
	bestF      float64
	descends   bool
}

// take records an iterate and reports whether the run ends with it.
func (r *run) take(it Iterate, seconds float64) bool {
	r.Iterations++
	change := dist(it.X, r.last)
	size := norm2(it.X)
	p := TracePoint{
		K: it.K, Seconds: seconds, Objective: it.Objective, Data: it.Data,
		Prior: it.Prior, Residual: it.Residual, Change: change / size, PSNR: unset(),
	}
	if size == 0 && change == 0 {
		p.Change = 0
	}
	if r.stop.Reference != nil {
		p.PSNR = metrics.PSNR(r.stop.Reference, it.X)
	}
	r.Trace = append(r.Trace, p)
	if why := r.blownUp(it, change, size); why != "" {
		r.Diverged = true
		r.Reason = why
		if r.Kept > 0 {
			r.Reason += fmt.Sprintf("; kept iterate %d", r.Kept)
		}
		return true
	}
	if n := len(r.Trace); r.descends && n > 1 && r.Certified {
		q := r.Trace[n-2].Objective
		if it.Objective > q+riseTolerance*(math.Abs(q)+math.Abs(it.Data)+math.Abs(it.Prior)) {
			r.Certified = false
			r.Uncertified = fmt.Sprintf("the objective rose at iteration %d", it.K)
		}
	}
	copy(r.last, it.X)
	if r.Iterations == 1 {
		r.first = it.Objective
	}
	if math.IsNaN(it.Objective) || r.Kept == 0 || it.Objective <= r.bestF {
		copy(r.best, it.X)
		r.bestF, r.Kept = it.Objective, it.K
	}
	r.Objective, r.Data, r.Prior, r.Residual = it.Objective, it.Data, it.Prior, it.Residual
	switch {
	case r.stop.Gradient > 0 && it.Residual <= r.stop.Gradient:
		r.Reason = fmt.Sprintf("residual %.2g at most %.2g", it.Residual, r.stop.Gradient)
	case r.stop.RelChange > 0 && r.Iterations > 1 && p.Change <= r.stop.RelChange:
		r.Reason = fmt.Sprintf("relative change %.2g at most %.2g", p.Change, r.stop.RelChange)
	case r.stop.Distance > 0 && max(ahead(r.Trace), ahead(r.Trace[:len(r.Trace)-1])) <= r.stop.Distance:
		r.Reason = fmt.Sprintf("the iterations ahead change it by about %.2g, at most %.2g", ahead(r.Trace), r.stop.Distance)
	case r.stop.Objective > 0 && r.settled():
		r.Reason = fmt.Sprintf("objective settled to %.2g relative", r.stop.Objective)
	default:
		return false
	}
	r.Converged = true
	return true
}

// ahead estimates the sum of the changes to come, as Stop.Distance says; infinite where it
// is not known.
func ahead(trace []TracePoint) float64 {
	const back = 6
	n := len(trace)
	if n < back+4 { // the first change is from the starting point
		return math.Inf(1)
	}
	largest := func(last int) float64 {
		return max(trace[last].Change, trace[last-1].Change, trace[last-2].Change)
	}
	d := largest(n - 1)
	q := math.Pow(d/largest(n-1-back), 1./back)
	if !(q < 1) {
		return math.Inf(1)
	}
	return d * q / (1 - q)
}

// settled compares F with its value 5 iterations ago.
func (r *run) settled() bool {
	n := len(r.Trace)
	if n < 6 {
		return false
	}
	a, b := r.Trace[n-6].Objective, r.Trace[n-1].Objective
	return math.Abs(a-b) <= r.stop.Objective*math.Abs(b)
}

// blownUp says what is wrong with an iterate, "" if nothing. The bounds are
// far outside any run that converges: an objective 100 times its first size
// above its start or 1000 times below, samples of a million.
func (r *run) blownUp(it Iterate, change, size float64) string {
	if !finite(change) || !finite(size) {
		return fmt.Sprintf("the estimate has NaN or infinite samples at iteration %d", it.K)
	}
	if math.IsInf(it.Objective, 0) || (math.IsNaN(it.Objective) && !math.IsNaN(r.first) && r.Kept > 0) {
		return fmt.Sprintf("the objective is %g at iteration %d", it.Objective, it.K)
	}
	if size > 1e6*math.Sqrt(float64(len(it.X))) {
		return fmt.Sprintf("the estimate has grown to a norm of %.2g at iteration %d", size, it.K)
	}
	if r.Kept > 0 && !math.IsNaN(r.first) {
		scale := math.Abs(r.first) + math.Abs(r.Trace[0].Data) + math.Abs(r.Trace[0].Prior)
		if it.Objective > r.first+100*scale {
			return fmt.Sprintf("the objective has risen from %.3g to %.3g at iteration %d", r.first, it.Objective, it.K)
		}
		if it.Objective < r.first-1000*scale {
			return fmt.Sprintf("the objective falls without bound: %.3g at iteration %d", it.Objective, it.K)
		}
	}
	return ""
}

// Watch returns m with see called on every iterate before it is handed on: for progress
// bars and records. see must not keep Iterate.X. The certificate is that of m.
func Watch(m Method, see func(Iterate)) Method { return watched{m, see} }

type watched struct {
	Method
	see func(Iterate)
}

func (w watched) Steps(x0 []float32) iter.Seq[Iterate] {
	return func(yield func(Iterate) bool) {
		for it := range w.Method.Steps(x0) {
			w.see(it)
			if !yield(it) {
				return
			}
		}
	}
}

func (w watched) Certificate() (bool, string) {
	if c, ok := w.Method.(Certifier); ok {
		return c.Certificate()
	}
	return false, "the method has no certificate"
}

func unwrap(m Method) Method {
	for {
		w, ok := m.(watched)
		if !ok {
			return m
		}
		m = w.Method
	}
}
