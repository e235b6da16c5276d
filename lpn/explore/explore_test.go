package explore

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lpn-imaging/lpn/internal/othertest"
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
	"github.com/sbinet/npyio/npz"
)

// quadratic is the potential a/2 ||y||^2, of f(y) = a y and
// R(x) = (1/a-1)/2 ||x||^2.
type quadratic struct{ a float64 }

func (q quadratic) Eval(dst, y []float32) float64 {
	sum := 0.0
	for i, v := range y {
		sum += float64(v) * float64(v)
		dst[i] = float32(q.a * float64(v))
	}
	return q.a / 2 * sum
}

func (q quadratic) StrongConvexity() float64 { return q.a }

// r is R(x).
func (q quadratic) r(x []float32) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return (1/q.a - 1) / 2 * sum
}

// soft is the potential of the soft threshold at t, of R(x) = t ||x||_1; its
// modulus of convexity is 0.
type soft struct{ t float64 }

func (p soft) Eval(dst, y []float32) (psi float64) {
	for i, v := range y {
		d := math.Max(math.Abs(float64(v))-p.t, 0)
		dst[i] = float32(math.Copysign(d, float64(v)))
		psi += d * d / 2
	}
	return psi
}

// of is the prior of a potential for pictures of any shape.
func of(psi solvers.Potential, sigma float64) Prior {
	return Prior{Name: "test", Sigma: sigma, Bind: func(operators.Shape, int) (solvers.Potential, error) { return psi, nil }}
}

// network is a prior of random weights.
func network(t *testing.T, channels int) (Prior, *lpn.Network) {
	t.Helper()
	net, err := lpn.New(lpn.SoftplusAny(channels, 6, 2, 0.1), rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	return Of("random", net), net
}

func picture(seed uint64, s operators.Shape) operators.Image {
	m := operators.NewImage(s)
	rng := rand.New(rand.NewPCG(seed, 5))
	for i := range m.Pix {
		m.Pix[i] = rng.Float32()
	}
	return m
}

// near fails unless got is want up to tol, relative to the larger.
func near(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol*math.Max(math.Abs(want), math.Abs(got))) {
		t.Errorf("%s: %.10g, want %.10g", what, got, want)
	}
}

var ctx = context.Background()

// TestValue: the closed form, in each unit; the true value lies within the gap.
func TestValue(t *testing.T) {
	q := quadratic{0.4}
	x := picture(1, operators.Shape{C: 3, H: 5, W: 7})
	v, err := Value(ctx, of(q, 0.2), x)
	if err != nil || !v.InRange || !(v.Residual < 1e-4) || v.Prior != "test" || v.Calls < 1 {
		t.Fatalf("%+v, %v", v, err)
	}
	want := q.r(x.Pix)
	near(t, "R", float64(v.R), want, 1e-5)
	near(t, "nats", float64(v.Nats), want/0.04, 1e-5)
	near(t, "nats a sample", float64(v.NatsPerSample), want/0.04/105, 1e-5)
	if up := want - float64(v.R); up > float64(v.Gap)+1e-6*want {
		t.Errorf("R is %g above the value, more than the gap %g", up, v.Gap)
	}
}

// TestPath: the closed form along noise, with the noise at every level the same.
func TestPath(t *testing.T) {
	q, by := quadratic{0.5}, Noise{Seed: 3}
	x := picture(1, operators.Shape{C: 1, H: 6, W: 6})
	levels := []float64{0, 0.1, 0.4}
	var told []int
	r, err := Path(ctx, of(q, 0.1), x, by, levels, func(done, total int) { told = append(told, done, total) })
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(told, []int{1, 3, 2, 3, 3, 3}) || r.Unit != "nats per sample" || r.Perturbation != "noise" {
		t.Errorf("progress %v of %+v", told, r)
	}
	m := operators.NewImage(x.Shape)
	for k, l := range levels {
		by.Apply(m, x, l)
		near(t, fmt.Sprint("level ", l), r.Values[k], q.r(m.Pix)/(0.01*36), 1e-5)
		if !(r.Residuals[k] <= 1e-4) || !(r.Gaps[k] >= 0 && r.Gaps[k] < 1e-3) {
			t.Errorf("residual %g, gap %g", r.Residuals[k], r.Gaps[k])
		}
	}
	if d := r.Relative(); d.Values[0] != 0 || d.Values[2] != r.Values[2]-r.Values[0] || !d.Change || r.Change {
		t.Errorf("relative %v", d.Values)
	}
	if _, err := Path(ctx, of(q, 0.1), x, by, []float64{0, -1}, nil); !errors.As(err, new(*LevelError)) {
		t.Errorf("a negative deviation: %v", err)
	}
	// The gap of a potential that is not strongly convex is not known.
	r, err = Path(ctx, of(soft{0.1}, 0.1), x, by, levels[:1], nil)
	if err != nil || !math.IsInf(r.Gaps[0], 1) {
		t.Errorf("gap %v, %v", r.Gaps, err)
	}
}

// TestPaths: many at a time are one after the other, to the bit; an error names
// its picture.
func TestPaths(t *testing.T) {
	p, _ := network(t, 1)
	levels := []float64{0, 0.1}
	load := func(i int) (operators.Image, Perturbation, error) {
		return picture(uint64(i), operators.Shape{C: 1, H: 8 + i, W: 9}), Noise{Seed: uint64(i)}, nil
	}
	all, err := Paths(ctx, p, 5, load, levels, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range all {
		x, by, _ := load(i)
		one, err := Path(ctx, p, x, by, levels, nil)
		if err != nil || !reflect.DeepEqual(r, one) {
			t.Errorf("picture %d: %+v, alone %+v, %v", i, r, one, err)
		}
	}
	broken := errors.New("broken")
	_, err = Paths(ctx, p, 5, func(i int) (operators.Image, Perturbation, error) {
		x, by, _ := load(i)
		if i == 3 {
			return x, by, broken
		}
		return x, by, nil
	}, levels, nil)
	var of *PictureError
	if !errors.As(err, &of) || of.Index != 3 || !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	mean, sd := Spread(all)
	sum, square := 0.0, 0.0
	for _, r := range all {
		sum += r.Values[1] / 5
		square += r.Values[1] * r.Values[1] / 5
	}
	near(t, "mean", mean[1], sum, 1e-12)
	near(t, "deviation", sd[1], math.Sqrt(square-sum*sum), 1e-6)
	all[2].Values[0] = math.NaN()
	if mean, _ := Spread(all); math.IsNaN(mean[0]) || all[2].OutOfRange() != 1 {
		t.Errorf("one value without a number makes the mean %g", mean[0])
	}
	if mean, sd := Spread(all[2:3]); !math.IsNaN(mean[0]) || !math.IsNaN(sd[0]) {
		t.Errorf("mean %g and deviation %g of nothing", mean[0], sd[0])
	}
}

// TestMap: of a quadratic, the part of a pixel is the sum over its channels of
// (1/a-1)/2 x_i^2; smoothing keeps the total.
func TestMap(t *testing.T) {
	q := quadratic{0.4}
	x := picture(1, operators.Shape{C: 3, H: 5, W: 7})
	total := q.r(x.Pix) / 0.01
	for _, smooth := range []float64{0, 1.2} {
		r, err := Map(ctx, of(q, 0.1), x, smooth)
		if err != nil || r.Height != 5 || r.Width != 7 || r.Unit != "nats" {
			t.Fatalf("%+v, %v", r, err)
		}
		sum := 0.0
		for i, v := range r.Values {
			sum += v
			if smooth == 0 {
				pixel := 0.0
				for c := range 3 {
					pixel += q.r(x.Plane(c)[i:i+1]) / 0.01
				}
				near(t, fmt.Sprint("pixel ", i), v, pixel, 1e-3)
			}
		}
		near(t, "total", float64(r.Total), total, 1e-5)
		near(t, "sum", sum, float64(r.Total), 1e-12)
	}
	if _, err := Map(ctx, of(q, 0.1), x, -1); !errors.As(err, new(*LevelError)) {
		t.Errorf("smoothing by -1: %v", err)
	}
}

// TestSlice: every point is what Value says of that picture, with axes worked
// out here; and the fidelity is added.
func TestSlice(t *testing.T) {
	p, _ := network(t, 1)
	x, other := picture(1, operators.Shape{C: 1, H: 6, W: 8}), picture(2, operators.Shape{C: 1, H: 6, W: 8})
	plane := Plane{U: Random(4), V: Towards("other", other), Span: 0.5, Grid: 3}
	r, err := Slice(ctx, p, x, plane, nil)
	if err != nil {
		t.Fatal(err)
	}
	u, v := make([]float64, x.Len()), make([]float64, x.Len())
	raw, _ := plane.U.Vector(x, nil)
	var uu, uv, vv float64
	for i := range u {
		u[i], v[i] = float64(raw[i]), float64(other.Pix[i])-float64(x.Pix[i])
		uu, uv = uu+u[i]*u[i], uv+u[i]*v[i]
	}
	for i := range v {
		v[i] -= uv / uu * u[i]
		vv += v[i] * v[i]
	}
	length := 0.1 * math.Sqrt(48)
	near(t, "length", r.Length, length, 1e-12)
	// The point of a picture's axis is on the plane; a picture off it keeps its point.
	at := r.At(0.25, -0.5)
	for i := range u {
		want := float64(x.Pix[i]) + length*(0.25*u[i]/math.Sqrt(uu)-0.5*v[i]/math.Sqrt(vv))
		if math.Abs(float64(at.Pix[i])-want) > 1e-6 {
			t.Errorf("sample %d of the picture at a point is %v, want %v", i, at.Pix[i], want)
		}
	}
	a, b, off := r.Project(at.Pix)
	near(t, "a", a, 0.25, 1e-5)
	near(t, "b", b, -0.5, 1e-5)
	if off > 1e-3 { // the root of a rounding error
		t.Errorf("a picture of the plane is %v off it", off)
	}
	for k, z := range r.Z {
		a, b := r.A[k%3], r.B[k/3]
		m := operators.NewImage(x.Shape)
		for i := range m.Pix {
			m.Pix[i] = x.Pix[i] + float32(length*(a*u[i]/math.Sqrt(uu)+b*v[i]/math.Sqrt(vv)))
		}
		one, err := Value(ctx, p, m)
		if err != nil || r.A[0] != -0.5 || r.B[2] != 0.5 {
			t.Fatal(r.A, r.B, err)
		}
		near(t, fmt.Sprint("point ", k), z, float64(one.Nats), 2e-4)
	}
	plane.Fidelity = func(x []float32) float64 { return 100 * float64(x[0]) }
	h, err := Slice(ctx, p, x, plane, nil)
	if err != nil || !h.Fidelity {
		t.Fatal(err)
	}
	near(t, "with the fidelity", h.Z[4]-r.Z[4], 100*float64(x.Pix[0]), 1e-9)

	r.Z[5] = -1e9
	if a, b := r.Least(); a != 0.5 || b != 0 {
		t.Errorf("the least is at %g, %g", a, b)
	}
	var flat *PlaneError
	if _, err := Slice(ctx, p, x, Plane{U: Descent(), V: Descent()}, nil); !errors.As(err, &flat) || flat.Direction != "grad" {
		t.Errorf("one direction twice: %v", err)
	}
	if _, err := Slice(ctx, p, x, Plane{U: Random(1), V: Towards("small", picture(1, operators.Shape{C: 1, H: 2, W: 2}))}, nil); err == nil {
		t.Error("a picture of another shape")
	}
	if _, err := Slice(ctx, p, x, Plane{U: Random(1), V: Smoothing(1), Grid: 1}, nil); err == nil {
		t.Error("a grid of one point")
	}
}

// TestDescent: along it R falls, by its length times that of the gradient.
func TestDescent(t *testing.T) {
	q := quadratic{0.5} // grad R(x) = x
	x := picture(1, operators.Shape{C: 1, H: 6, W: 8})
	r, err := Slice(ctx, of(q, 0.1), x, Plane{U: Descent(), V: Random(1), Span: 1e-2, Grid: 3}, nil)
	if err != nil {
		t.Fatal(err)
	}
	slope := (r.Z[5] - r.Z[3]) / (r.A[2] - r.A[0])
	near(t, "slope", slope, -r.Length*math.Sqrt(2*q.r(x.Pix))/0.01, 1e-3)
}

// TestCurve: the soft threshold is the MAP of Laplace data, and its R is
// theirs.
func TestCurve(t *testing.T) {
	truth := Laplace{B: 1.6, Sigma: 0.8}
	var xs []float64
	for k := range 41 {
		xs = append(xs, float64(k-20)/5)
	}
	c, err := Curve(ctx, of(soft{0.8 * 0.8 / 1.6}, 0.8), xs)
	if err != nil || c.OutOfRange() != 0 || c.Sigma != 0.8 {
		t.Fatalf("%+v, %v", c, err)
	}
	for i, x := range xs {
		if math.Abs(c.F[i]-truth.MAP(x)) > 1e-6 || math.Abs(c.R[i]-0.4*math.Abs(x)) > 1e-4 {
			t.Errorf("at %g: f = %g, R = %g", x, c.F[i], c.R[i])
		}
	}
	e := truth.Errors(c)
	if !(e.MAP < 1e-6) || !(e.R < 1e-4) || !(e.Mean > 0.1) || !(e.Median > 0.1) {
		t.Errorf("%+v", e)
	}
	c.F[3] += 0.5
	if e := truth.Errors(c); math.Abs(float64(e.MAP)-0.5) > 1e-5 {
		t.Errorf("an error of 0.5 is reported as %g", e.MAP)
	}
}

// TestPosterior: against the closed form of the mean (Gribonval 2011 gives it
// by the error function), and the median as the point of half the mass, known
// at 0 and far out, where the kink is not seen.
func TestPosterior(t *testing.T) {
	const b, sigma = 1.3, 0.7
	// Each half is a Gaussian cut at 0, of centre y -+ sigma^2/b.
	half := func(c float64) (mass, first float64) {
		mass = math.Erfc(-c/(sigma*math.Sqrt2)) / 2
		return mass, c*mass + sigma/math.Sqrt(2*math.Pi)*math.Exp(-c*c/(2*sigma*sigma))
	}
	for _, y := range []float64{-3, -0.5, 0, 0.2, 1, 5} {
		s := sigma * sigma / b
		mp, fp := half(y - s)
		mm, fm := half(-y - s)
		// exp((c^2 - y^2)/(2 sigma^2)) weighs the halves.
		wp, wm := math.Exp(-y/b), math.Exp(y/b)
		want := (wp*fp - wm*fm) / (wp*mp + wm*mm)
		mean, median := Laplace{b, sigma}.Posterior(y)
		if math.Abs(mean-want) > 1e-8 {
			t.Errorf("the mean at %g is %.10g, want %.10g", y, mean, want)
		}
		if y == 0 && math.Abs(median) > 1e-9 {
			t.Errorf("the median at 0 is %g", median)
		}
		if y == 5 && math.Abs(median-(y-s)) > 1e-6 {
			t.Errorf("the median at 5 is %g, want %g", median, y-s)
		}
	}
}

// TestAlgebra: the combined priors are those of package lpn, and a gray network
// takes the channels of a colour picture one by one.
func TestAlgebra(t *testing.T) {
	p, net := network(t, 1)
	x := picture(1, operators.Shape{C: 1, H: 6, W: 9})
	bind := func(s operators.Shape) (solvers.Potential, error) { return net.On(s) }
	psi, err := lpn.Ensemble(bind, x.Shape)
	if err != nil {
		t.Fatal(err)
	}
	want := lpn.Prior{Psi: lpn.Scaled(psi, 1.5)}.At(x.Pix)
	if v, err := Value(ctx, p.Ensemble().Scaled(1.5), x); err != nil || float64(v.R) != want.R {
		t.Errorf("%g, want %g, %v", v.R, want.R, err)
	}
	colour := picture(2, operators.Shape{C: 3, H: 6, W: 9})
	sum := 0.0
	for c := range 3 {
		v, err := Value(ctx, p, operators.Image{Shape: x.Shape, Pix: colour.Plane(c)})
		if err != nil {
			t.Fatal(err)
		}
		sum += float64(v.R)
	}
	v, err := Value(ctx, p, colour)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "colour", float64(v.R), sum, 1e-5)
	rgb, _ := network(t, 3)
	if _, err := Value(ctx, rgb, x); err == nil || !strings.Contains(err.Error(), "prior random") {
		t.Errorf("a gray picture for a colour network: %v", err)
	}
}

// counted cancels its context at an evaluation, and counts those that begin
// after that.
type counted struct {
	solvers.Potential
	left, late *atomic.Int64
	cancel     func()
}

func (c counted) Eval(dst, y []float32) float64 {
	if c.late.Load() > 0 {
		c.late.Add(1)
	} else if c.left.Add(-1) == 0 {
		c.cancel()
		c.late.Add(1)
	}
	return c.Potential.Eval(dst, y)
}

// TestCancel: when the context ends, no further evaluation of the network
// begins, wherever that is.
func TestCancel(t *testing.T) {
	p, _ := network(t, 1)
	x := picture(1, operators.Shape{C: 1, H: 8, W: 8})
	levels := []float64{0, 0.1, 0.2}
	for name, work := range map[string]func(ctx context.Context, p Prior) error{
		"value": func(ctx context.Context, p Prior) error { _, err := Value(ctx, p, x); return err },
		"path":  func(ctx context.Context, p Prior) error { _, err := Path(ctx, p, x, Noise{}, levels, nil); return err },
		"paths": func(ctx context.Context, p Prior) error {
			_, err := Paths(ctx, p, 2, func(i int) (operators.Image, Perturbation, error) { return x, Noise{}, nil }, levels, nil)
			return err
		},
		"map": func(ctx context.Context, p Prior) error { _, err := Map(ctx, p, x, 1); return err },
		"slice": func(ctx context.Context, p Prior) error {
			_, err := Slice(ctx, p, x, Plane{U: Random(1), V: Random(2), Grid: 3}, nil)
			return err
		},
		"curve": func(ctx context.Context, p Prior) error {
			_, err := Curve(ctx, of(quadratic{0.5}, 1), []float64{1, 2})
			return err
		},
	} {
		for _, at := range []int64{1, 3, 40} {
			ctx, cancel := context.WithCancel(ctx)
			left, late := new(atomic.Int64), new(atomic.Int64)
			left.Store(at)
			slow := p
			slow.Bind = func(s operators.Shape, threads int) (solvers.Potential, error) {
				psi, err := p.Bind(s, threads)
				return counted{psi, left, late, cancel}, err
			}
			if name == "curve" {
				cancel()
			}
			err := work(ctx, slow)
			cancel()
			if late.Load() == 0 && name != "curve" {
				continue // it was done before
			}
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s, cancelled at evaluation %d: %v", name, at, err)
			}
			if n := late.Load() - 1; n > 1 { // the other of two pictures may have been about to begin one
				t.Errorf("%s: %d evaluations after the end", name, n)
			}
		}
	}
}

// TestJSON: what is not finite is null and comes back as NaN.
func TestJSON(t *testing.T) {
	in := PathResult{Prior: "p", Levels: Numbers{0, 0.1}, Values: Numbers{math.NaN(), 2}, Residuals: Numbers{1, 0}, Gaps: Numbers{math.Inf(1), 0.5}}
	b, err := json.Marshal(in)
	if err != nil || !bytes.Contains(b, []byte(`"levels":[0,0.1],"values":[null,2],"residuals":[1,0],"gaps":[null,0.5]`)) {
		t.Fatalf("%s, %v", b, err)
	}
	var out PathResult
	if err := json.Unmarshal(b, &out); err != nil || !math.IsNaN(out.Values[0]) || out.Values[1] != 2 || !math.IsNaN(out.Gaps[0]) {
		t.Errorf("%+v, %v", out, err)
	}
	b, err = json.Marshal(ValueResult{R: Number(math.NaN()), Residual: 0.25})
	var v ValueResult
	if err != nil || json.Unmarshal(b, &v) != nil || !math.IsNaN(float64(v.R)) || v.Residual != 0.25 {
		t.Errorf("%s: %+v, %v", b, v, err)
	}
	if b, err := json.Marshal(MapResult{}); err != nil || !bytes.Contains(b, []byte(`"values":[]`)) {
		t.Errorf("%s, %v", b, err)
	}
}

// TestWriteCSV: the rows hold the numbers in full, under one header.
func TestWriteCSV(t *testing.T) {
	read := func(b *bytes.Buffer) [][]string {
		rows, err := csv.NewReader(b).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	var b bytes.Buffer
	r := PathResult{Prior: "p", Picture: `a "b", c`, Perturbation: "blur", Levels: Numbers{0, 1. / 3}, Values: Numbers{math.NaN(), -2}, Residuals: Numbers{1, 0}, Gaps: Numbers{math.Inf(1), 0.5}}
	if err := WriteCSV(&b, r, r); err != nil {
		t.Fatal(err)
	}
	rows := read(&b)
	if len(rows) != 5 || !reflect.DeepEqual(rows[1], []string{"p", `a "b", c`, "blur", "0", "", "1", "Inf"}) || rows[4][3] != "0.3333333333333333" {
		t.Errorf("%q", rows)
	}
	s := SliceResult{Prior: "p", A: Numbers{-1, 1}, B: Numbers{-2, 2}, Z: Numbers{1, 2, 3, 4}, Residuals: Numbers{0, 0, 0, 0}, Gaps: Numbers{0, 0, 0, 0}}
	if err := WriteCSV(&b, s); err != nil {
		t.Fatal(err)
	}
	if rows := read(&b); len(rows) != 5 || !reflect.DeepEqual(rows[2][:4], []string{"p", "1", "-2", "2"}) {
		t.Errorf("%q", rows)
	}
	if err := WriteCSV(&b, MapResult{Prior: "p", Height: 2, Width: 3, Values: Numbers{1, 2, 3, 4, 5, 6}}); err != nil {
		t.Fatal(err)
	}
	if rows := read(&b); len(rows) != 7 || !reflect.DeepEqual(rows[6], []string{"p", "2", "1", "6"}) {
		t.Errorf("%q", rows)
	}
	if err := WriteCSV(&b, CurveResult{Prior: "p", X: Numbers{1}, F: Numbers{2}, Psi: Numbers{3}, R: Numbers{4}, Residuals: Numbers{5}, Gaps: Numbers{6}}); err != nil {
		t.Fatal(err)
	}
	if rows := read(&b); len(rows) != 2 || !reflect.DeepEqual(rows[1], []string{"p", "1", "2", "3", "4", "5", "6"}) {
		t.Errorf("%q", rows)
	}
}

// TestWriteNPZ: another reader finds the numbers under the names of their axes.
func TestWriteNPZ(t *testing.T) {
	read := func(b []byte) *npz.Reader {
		t.Helper()
		z, err := npz.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		return z
	}
	floats := func(z *npz.Reader, name string, shape ...int) []float64 {
		t.Helper()
		var v []float64
		if err := z.Read(name+".npy", &v); err != nil || !slices.Equal(z.Header(name+".npy").Descr.Shape, shape) {
			t.Errorf("%s: %v, %v", name, z.Header(name+".npy"), err)
		}
		return v
	}
	var b bytes.Buffer
	m := MapResult{Prior: "gray-25", Height: 2, Width: 3, Values: Numbers{1, 2, 3, 4, math.NaN(), 6}}
	if err := WriteNPZ(&b, m, m); err != nil {
		t.Fatal(err)
	}
	z := read(b.Bytes())
	if v := floats(z, "value", 2, 2, 3); v[3] != 4 || !math.IsNaN(v[10]) || v[11] != 6 {
		t.Errorf("values %v", v)
	}
	if x, y := floats(z, "x", 3), floats(z, "y", 2); !slices.Equal(x, []float64{0, 1, 2}) || !slices.Equal(y, []float64{0, 1}) {
		t.Errorf("axes %v and %v", x, y)
	}
	b.Reset()
	s := SliceResult{Prior: "p", U: "noise", V: "blur", A: Numbers{-1, 1}, B: Numbers{-2, 0, 2}, Z: Numbers{1, 2, 3, 4, 5, 6}, Residuals: make(Numbers, 6), Gaps: make(Numbers, 6)}
	if err := WriteNPZ(&b, s); err != nil {
		t.Fatal(err)
	}
	z = read(b.Bytes())
	if v := floats(z, "value", 1, 3, 2); v[4] != 5 || len(floats(z, "b", 3)) != 3 || len(floats(z, "gap", 1, 3, 2)) != 6 {
		t.Errorf("values %v", v)
	}
	// Results on other axes are not put together.
	other := s
	other.A = Numbers{-3, 3}
	if err := WriteNPZ(&b, s, other); err == nil {
		t.Error("slices with other axes in one array")
	}
	if err := WriteNPZ[PathResult](&b); err == nil {
		t.Error("an archive of nothing")
	}
}

// TestNumPyReads: NumPy has the names of priors and axes as texts.
func TestNumPyReads(t *testing.T) {
	python := othertest.NumPy(t)
	name := filepath.Join(t.TempDir(), "paths.npz")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	r := PathResult{Prior: "gray-25", Picture: "größe.png", Perturbation: "noise", Levels: Numbers{0, 0.5}, Values: Numbers{1, 2}, Residuals: Numbers{0, 0}, Gaps: Numbers{0, math.Inf(1)}}
	q := r
	q.Prior = "colour"
	if err := WriteNPZ(f, r, q); err != nil {
		t.Fatal(err)
	}
	f.Close()
	out, err := exec.Command(python, "-c", `import sys, numpy
z = numpy.load(sys.argv[1])
print(list(z["axes"]) == ["prior", "level"], list(z["prior"]) == ["gray-25", "colour"], z["picture"][0] == "gr\u00f6\u00dfe.png", z["value"].shape, z["level"].tolist(), z["gap"][1, 1])`, name).CombinedOutput()
	if want := "True True True (2, 2) [0.0, 0.5] inf\n"; err != nil || string(out) != want {
		t.Errorf("%v: %s, want %s", err, out, want)
	}
}
