package explore

import (
	"context"
	"fmt"
	"iter"
	"math"
	"runtime"
	"slices"
	"sync"

	"github.com/lpn-imaging/lpn/operators"
)

// A PathResult is R of one picture while a change grows. Element k of every list
// belongs to Levels[k].
type PathResult struct {
	Prior string `json:"prior"`
	// Picture is the picture's name; Path leaves it empty.
	Picture string `json:"picture,omitempty"`
	// Perturbation is the kind, Parameter what a level means.
	Perturbation string `json:"perturbation"`
	Parameter    string `json:"parameter"`
	// Unit is that of Values and Gaps, "nats per sample".
	Unit string `json:"unit"`
	// Change says that the first value is subtracted from all.
	Change bool    `json:"change,omitempty"`
	Levels Numbers `json:"levels"`
	// Values are R/(n sigma^2), n the number of samples; NaN if a picture is out of the
	// range of f. The true value is above, by at most the gap.
	Values Numbers `json:"values"`
	// Residuals are ||f(y)-x||, relative to ||x||.
	Residuals Numbers `json:"residuals"`
	Gaps      Numbers `json:"gaps"`
}

// Path evaluates R, in nats per sample, at x changed by each of the levels, on all
// cores. Each inversion starts from the one before, so close levels are cheap. Only one
// changed picture is in memory at a time.
func Path(ctx context.Context, p Prior, x operators.Image, by Perturbation, levels []float64, progress Progress) (PathResult, error) {
	return path(ctx, p, x, by, levels, 0, progress)
}

func path(ctx context.Context, p Prior, x operators.Image, by Perturbation, levels []float64, threads int, progress Progress) (PathResult, error) {
	for _, l := range levels {
		if err := by.Check(x.Shape, l); err != nil {
			return PathResult{}, err
		}
	}
	prior, err := p.on(ctx, x.Shape, threads)
	if err != nil {
		return PathResult{}, err
	}
	r := PathResult{Prior: p.Name, Perturbation: by.Kind(), Parameter: by.Parameter(), Unit: "nats per sample", Levels: slices.Clone(levels)}
	unit := p.nats() * float64(x.Len())
	for v := range prior.Along(changed(x, by, levels)) {
		if err := ctx.Err(); err != nil {
			return PathResult{}, err
		}
		r.Values, r.Residuals, r.Gaps = append(r.Values, v.R/unit), append(r.Residuals, v.Residual), append(r.Gaps, v.Gap/unit)
		progress.at(len(r.Values), len(levels))
	}
	return r, ctx.Err()
}

// changed are the pictures of a path, each in the memory of the one before.
func changed(x operators.Image, by Perturbation, levels []float64) iter.Seq[[]float32] {
	return func(yield func([]float32) bool) {
		m := operators.NewImage(x.Shape)
		for _, l := range levels {
			by.Apply(m, x, l)
			if !yield(m.Pix) {
				return
			}
		}
	}
}

// A PictureError is the error for one of several pictures.
type PictureError struct {
	Index int // of the picture
	Err   error
}

func (e *PictureError) Error() string { return fmt.Sprintf("picture %d: %v", e.Index, e.Err) }
func (e *PictureError) Unwrap() error { return e.Err }

// Paths is Path for n pictures, as many at a time as there are cores, one core each.
// picture returns the i-th picture and its perturbation. Several goroutines call it,
// each when it needs a picture, so memory holds no more pictures than there are cores.
// The numbers do not depend on the cores. The first error, a *PictureError, ends the
// work.
func Paths(ctx context.Context, p Prior, n int, picture func(i int) (operators.Image, Perturbation, error), levels []float64, progress Progress) ([]PathResult, error) {
	threads := 1
	if n == 1 {
		threads = 0
	}
	results := make([]PathResult, n)
	one := func(ctx context.Context, i int) error {
		x, by, err := picture(i)
		if err == nil {
			results[i], err = path(ctx, p, x, by, levels, threads, nil)
		}
		return err
	}
	inner, stop := context.WithCancel(ctx)
	defer stop()
	var (
		mu    sync.Mutex
		wg    sync.WaitGroup
		first error
		done  int
	)
	next := make(chan int)
	for range min(runtime.GOMAXPROCS(0), n) {
		wg.Go(func() {
			for i := range next {
				err := one(inner, i)
				mu.Lock()
				if err != nil && first == nil {
					first = &PictureError{i, err}
					stop()
				}
				done++
				progress.at(done, n)
				mu.Unlock()
			}
		})
	}
	for i := range n {
		if inner.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return results, first
}

// Relative is the path with its first value subtracted from all. It does not depend on
// the unknown constant in R.
func (r PathResult) Relative() PathResult {
	r.Change = true
	r.Values = slices.Clone(r.Values)
	for k, first := len(r.Values)-1, r.Values[0]; k >= 0; k-- {
		r.Values[k] -= first
	}
	return r
}

// OutOfRange counts the levels without a value.
func (r PathResult) OutOfRange() int {
	n := 0
	for _, v := range r.Values {
		if math.IsNaN(v) {
			n++
		}
	}
	return n
}

// Spread is the mean and the standard deviation, level by level, of paths over the same
// levels. Values that are not finite are left out; the result is NaN for a level
// without values.
func Spread(paths []PathResult) (mean, sd Numbers) {
	if len(paths) == 0 {
		return nil, nil
	}
	for k := range paths[0].Levels {
		n, s, q := 0.0, 0.0, 0.0
		for _, p := range paths {
			if v := p.Values[k]; finite(v) {
				n++
				s += v
			}
		}
		m := s / n // NaN without values
		for _, p := range paths {
			if v := p.Values[k]; finite(v) {
				q += (v - m) * (v - m)
			}
		}
		mean, sd = append(mean, m), append(sd, math.Sqrt(q/n))
	}
	return mean, sd
}
