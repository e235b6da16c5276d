package restore_test

import (
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// noisy is a picture of waves with white noise, 150 pixels high.
func noisy(t testing.TB, spec string, width int) restore.Problem {
	t.Helper()
	sp, err := operators.ParseSpec(spec)
	if err != nil {
		t.Fatal(err)
	}
	x := operators.NewImage(operators.Shape{C: 1, H: 150, W: width})
	for i := range x.Pix {
		x.Pix[i] = float32(0.5 + 0.2*math.Sin(float64(i/x.W)/9) + 0.2*math.Cos(float64(i%x.W)/5))
	}
	e, err := restore.Simulate(x, sp, noise.White{Sigma: 0.06}, rand.New(rand.NewPCG(3, 4)))
	if err != nil {
		t.Fatal(err)
	}
	e.Problem.Range = restore.Unit
	return e.Problem
}

// Cores that several processes solve in any order, each with a plan of its own, and
// that go through bytes, make what Solve makes, bit for bit.
func TestCores(t *testing.T) {
	ctx := context.Background()
	for spec, width := range map[string]int{"denoise": 170, "blur:gaussian,sigma=1": 400} {
		for _, model := range []noise.Model{nil, noise.White{Sigma: 0.06}} {
			p := noisy(t, spec, width)
			p.Noise = model
			plan := func() *restore.Plan {
				q, err := restore.New(p, restore.Options{Choose: priors.For, Window: 96, Iters: 4})
				if err != nil {
					t.Fatal(err)
				}
				if q.Windows == nil || q.Windows.Count < 3 {
					t.Fatalf("%s: windows %v, want at least 3", spec, q.Windows)
				}
				return q
			}
			want, err := plan().Solve(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			worker := func() *restore.Plan {
				q, err := plan().Settle(ctx)
				if err != nil {
					t.Fatal(err)
				}
				return q
			}
			workers := []*restore.Plan{worker(), worker()}
			n := workers[0].Windows.Count
			bytes := make([][]byte, n)
			for k := n - 1; k >= 0; k-- {
				c, err := workers[k%2].SolveCore(ctx, k)
				if err != nil {
					t.Fatal(err)
				}
				if bytes[k], err = c.MarshalBinary(); err != nil {
					t.Fatal(err)
				}
			}
			cores := func(yield func(restore.Core, error) bool) {
				for _, b := range bytes {
					var c restore.Core
					if err := c.UnmarshalBinary(b); !yield(c, err) {
						return
					}
				}
			}
			got, err := worker().Join(cores)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.Image.Pix, want.Image.Pix) {
				t.Errorf("%s, noise %v: the joined cores are not the result of Solve", spec, model)
			}
			if got.Suspect != want.Suspect || got.Certified != want.Certified || got.Uncertified != want.Uncertified ||
				got.Strength != want.Strength || got.Iterations != want.Iterations || got.Reason != want.Reason {
				t.Errorf("%s, noise %v: joined %+v, solved %+v", spec, model, got, want)
			}
			bytes[1], bytes[2] = bytes[2], bytes[1]
			if _, err := worker().Join(cores); err == nil {
				t.Errorf("%s: cores in the wrong order were joined", spec)
			}
			if bytes = bytes[:1]; spec == "denoise" {
				if _, err := worker().Join(cores); err == nil {
					t.Error("1 core was taken for all")
				}
			}
		}
	}
}

// Whatever a file of a core says, it is read as a whole core or refused.
func FuzzCore(f *testing.F) {
	p := noisy(f, "denoise", 150)
	p.Noise = noise.White{Sigma: 0.06}
	plan, err := restore.New(p, restore.Options{Choose: priors.For, Window: 64, Iters: 1})
	if err != nil {
		f.Fatal(err)
	}
	core, err := plan.SolveCore(context.Background(), 0)
	if err != nil {
		f.Fatal(err)
	}
	b, err := core.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:len(b)/2])
	f.Add(binary.LittleEndian.AppendUint64(nil, 1<<40))
	f.Fuzz(func(t *testing.T, b []byte) {
		var c restore.Core
		if c.UnmarshalBinary(b) != nil {
			return
		}
		again, err := c.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var d restore.Core
		if err := d.UnmarshalBinary(again); err != nil || d.Window != c.Window {
			t.Fatalf("read again: core %d for %d: %v", d.Window, c.Window, err)
		}
	})
}
