package blind_test

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/lpn-imaging/lpn/lpn/blind"
	"github.com/lpn-imaging/lpn/operators"
)

func find(t *testing.T, y operators.Image, o blind.Options) blind.Estimate {
	t.Helper()
	e, err := blind.Find(context.Background(), y, o)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, v := range e.Kernel.Taps {
		if v < 0 {
			t.Fatalf("a tap of %v", v)
		}
		sum += v
	}
	cy, cx := e.Centroid()
	if math.Abs(sum-1) > 1e-9 || max(math.Abs(cy), math.Abs(cx)) > 0.5+1e-9 {
		t.Fatalf("kernel of sum %v, centroid (%v, %v)", sum, cy, cx)
	}
	return e
}

// bent is a kernel of no family: two strokes at an angle.
func bent() operators.Kernel {
	k := operators.Kernel{H: 13, W: 13, Taps: make([]float64, 169)}
	for i := range 10 {
		k.Taps[(2+i)*13+3] = 1. / 16
		if i < 6 {
			k.Taps[11*13+4+i] = 1. / 16
		}
	}
	return k
}

// TestFree: a kernel of no family is found free, and like the true one.
func TestFree(t *testing.T) {
	k := bent()
	y := blurredBlocks(k, 160, 0.01)
	e := find(t, y, blind.Options{})
	if l := blind.Likeness(e.Kernel, k); e.Kind != blind.Free || l < 0.9 {
		t.Errorf("%v, likeness %.3f; want a free kernel, 0.9 at least", e, l)
	}
	if e.Confidence < 0.6 {
		t.Errorf("confidence %v of a kernel that is right", e.Confidence)
	}
	started := find(t, y, blind.Options{Kind: blind.Free, Size: 15, Start: &k})
	if l := blind.Likeness(started.Kernel, k); l < 0.9 {
		t.Errorf("started at the truth, it ended %.3f like it", l)
	}
	if m := e.Operator(operators.Valid); m.Auto() || m.Boundary() != operators.Valid {
		t.Errorf("operator %v with boundary %v", m, m.Boundary())
	}
}

// TestUnits: the same picture in other units, and in three channels, has the same
// blur.
func TestUnits(t *testing.T) {
	k, _ := operators.DiskKernel(3)
	y := blurredBlocks(k, 128, 0.01)
	a := find(t, y, blind.Options{Kind: blind.Disk})
	z := operators.NewImage(operators.Shape{C: 3, H: y.H, W: y.W})
	for i := range z.Pix {
		z.Pix[i] = 4000 * y.Pix[i%len(y.Pix)]
	}
	b := find(t, z, blind.Options{Kind: blind.Disk})
	if p, q := a.Parameters[0].Value, b.Parameters[0].Value; math.Abs(p-q) > 0.01*p || math.Abs(p-3) > 0.15 {
		t.Errorf("radius %v, and %v in other units; want 3", p, q)
	}
	if math.Abs(b.Noise-40) > 12 {
		t.Errorf("noise %v; want 40", b.Noise)
	}
}

// TestClipped: samples that were clipped, or are no numbers, do not count.
func TestClipped(t *testing.T) {
	k := bent()
	y := blurredBlocks(k, 160, 0.01)
	for i, v := range y.Pix {
		y.Pix[i] = min(v, 0.7)
	}
	y.Pix[5000] = float32(math.NaN())
	e := find(t, y, blind.Options{Kind: blind.Free})
	if l := blind.Likeness(e.Kernel, k); l < 0.8 {
		t.Errorf("likeness %.3f with clipped lights", l)
	}
}

// TestRefused: pictures that do not tell.
func TestRefused(t *testing.T) {
	flat := operators.NewImage(operators.Shape{C: 1, H: 64, W: 64})
	small := operators.NewImage(operators.Shape{C: 1, H: 64, W: 20})
	for _, m := range []operators.Image{flat, small} {
		var bad *blind.PictureError
		if _, err := blind.Find(context.Background(), m, blind.Options{}); !errors.As(err, &bad) || bad.W != m.W {
			t.Errorf("%v: %v; want a PictureError", m.Shape, err)
		}
	}
}

// TestLikeness: against itself, shifted, and a point.
func TestLikeness(t *testing.T) {
	k := bent()
	moved := operators.Kernel{H: 13, W: 15, Taps: make([]float64, 13*15)}
	for i := range 13 {
		copy(moved.Taps[i*15+2:], k.Taps[i*13:(i+1)*13])
	}
	if l := blind.Likeness(k, moved); math.Abs(l-1) > 1e-12 {
		t.Errorf("a kernel is %v like itself, moved", l)
	}
	// A point against 16 equal taps: 1/16 over sqrt(1/16).
	if l := blind.Likeness(operators.Kernel{H: 1, W: 1, Taps: []float64{1}}, k); math.Abs(l-0.25) > 1e-12 {
		t.Errorf("a point is %v like it, want 0.25", l)
	}
}

// until is a context that is done the n-th time it is asked.
type until struct {
	context.Context
	n int
}

func (u *until) Err() error {
	if u.n--; u.n < 0 {
		return context.Canceled
	}
	return nil
}

// TestCancelled: the search stops where it is asked to, in every one of its parts, and says so.
func TestCancelled(t *testing.T) {
	y := blurredBlocks(bent(), 64, 0.01)
	count := &until{context.Background(), math.MaxInt}
	if _, err := blind.Find(count, y, blind.Options{}); err != nil {
		t.Fatal(err)
	}
	asked := math.MaxInt - count.n
	if asked < 100 {
		t.Errorf("the context was asked %d times", asked)
	}
	for _, n := range []int{0, 10, asked / 2, asked - 1} {
		c := &until{context.Background(), n}
		if _, err := blind.Find(c, y, blind.Options{}); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled at question %d of %d: %v", n, asked, err)
		}
	}
}
