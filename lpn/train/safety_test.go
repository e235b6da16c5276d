package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/checkpoint"
	"github.com/lpn-imaging/lpn/internal/network"
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// rendered are pictures of flat regions with soft edges, a source of samples
// and the means to spoil one step.
type rendered struct {
	side    int
	spoilAt int // the step whose samples are not numbers; 0: none
}

func (r rendered) Shape() operators.Shape { return operators.Shape{C: 1, H: r.side, W: r.side} }

func (r rendered) Batch(dst []float32, step int) error {
	n := r.side * r.side
	for i := range len(dst) / n {
		r.picture(dst[i*n:(i+1)*n], uint64(step)<<16+uint64(i))
	}
	if r.spoilAt > 0 && step == r.spoilAt {
		dst[0] = float32(math.Inf(1))
	}
	return nil
}

// picture draws three discs on a slope.
func (r rendered) picture(dst []float32, seed uint64) {
	u := func(k uint64) float64 { // splitmix64
		z := seed*0x9e3779b97f4a7c15 + k*0xbf58476d1ce4e5b9
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		return float64((z^z>>31)>>11) / (1 << 53)
	}
	s := float64(r.side)
	for y := range r.side {
		for x := range r.side {
			v := 0.3 + 0.4*(u(1)*float64(x)+u(2)*float64(y))/(2*s)
			for k := range uint64(3) {
				d := math.Hypot(float64(x)-s*u(10+k), float64(y)-s*u(20+k)) - s*(0.1+0.3*u(30+k))
				v += 0.5 * (u(40+k) - 0.5) * min(1, max(0, 0.5-d))
			}
			dst[y*r.side+x] = float32(v)
		}
	}
}

func (r rendered) images(n int) []operators.Image {
	var all []operators.Image
	for i := range n {
		m := operators.NewImage(r.Shape())
		r.picture(m.Pix, 1<<60+uint64(i))
		all = append(all, m)
	}
	return all
}

// small is a pyramid of two levels with narrow features.
func small(sigma float64) lpn.Config {
	c := lpn.Pyramid(1, sigma)
	c.Pyramid.Levels = c.Pyramid.Levels[:2]
	for i := range c.Pyramid.Levels {
		c.Pyramid.Levels[i].Maps, c.Pyramid.Levels[i].Features = 8, 16
	}
	return c
}

func quick(c lpn.Config, steps int) Options {
	src := rendered{side: 16}
	return Options{Config: c, Source: src, Plan: Plan{{Loss: L2, Steps: steps, Rate: 4e-3, Warmup: 0.05, Cosine: true}},
		Batch: 4, Seed: 3, Beta2: 0.99, Clip: 0.5, EMA: 0.9, GainPenalty: 0.03, Every: 5, Valid: src.images(2)}
}

// weights are all the numbers of a network, in order.
func weights(n *lpn.Network) []float32 {
	var all []float32
	for _, s := range n.Config().Definition().Params {
		all = append(all, n.Params()[s.Name]...)
	}
	return all
}

func mustRun(t *testing.T, ctx context.Context, o Options) *Result {
	t.Helper()
	r, err := Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestThreadsGiveTheSameBits: training ends at the same weights on one, two
// and three cores.
func TestThreadsGiveTheSameBits(t *testing.T) {
	for name, cfg := range map[string]lpn.Config{"pyramid": small(0.1), "softplus": lpn.SoftplusAny(1, 6, 2, 0.1)} {
		var first []float32
		for threads := 1; threads <= 3; threads++ {
			o := quick(cfg, 3)
			o.Threads = threads
			w := weights(mustRun(t, context.Background(), o).Network)
			if first == nil {
				first = w
			} else if !slices.Equal(first, w) {
				t.Errorf("%s: %d threads end at other weights than 1", name, threads)
			}
		}
	}
}

// TestResumeIsExact: stopped at any step and resumed, on another number of
// cores, training ends at the same bits: weights, averages, momenta, penalty.
func TestResumeIsExact(t *testing.T) {
	o := quick(small(0.1), 6)
	o.Threads = 2
	whole := mustRun(t, context.Background(), o)
	for _, stop := range []int{0, 3} {
		o := o
		o.Checkpoint = filepath.Join(t.TempDir(), "state")
		ctx, cancel := context.WithCancel(context.Background())
		if stop == 0 {
			cancel()
		}
		o.Progress = func(p Progress) {
			if p.Step == stop {
				cancel()
			}
		}
		if _, err := Run(ctx, o); !errors.Is(err, ErrInterrupted) || !strings.Contains(err.Error(), fmt.Sprintf("after %d of 6 steps", stop)) {
			t.Fatalf("stopped at %d: %v", stop, err)
		}
		cancel()
		o.Resume, o.Threads, o.Progress = true, 1, nil
		r := mustRun(t, context.Background(), o)
		if !slices.Equal(weights(whole.Network), weights(r.Network)) || r.PSNR != whole.PSNR || r.Steps != whole.Steps {
			t.Errorf("resumed after %d steps: other weights, %v dB and %v dB", stop, r.PSNR, whole.PSNR)
		}
	}
}

// TestDivergenceKeepsTheLastGoodState: a step of numbers that are none ends
// training; the checkpoint is the one before, whole and finite, and resumes.
func TestDivergenceKeepsTheLastGoodState(t *testing.T) {
	o := quick(lpn.SoftplusAny(1, 6, 2, 0.1), 12)
	whole := mustRun(t, context.Background(), o)
	o.Checkpoint = filepath.Join(t.TempDir(), "state")
	o.Source = rendered{side: 16, spoilAt: 7}
	_, err := Run(context.Background(), o)
	if !errors.Is(err, ErrDiverged) || !strings.Contains(err.Error(), "at step 7 ") || strings.Contains(err.Error(), "\n") {
		t.Fatalf("%v", err)
	}
	tensors, meta, err := checkpoint.ReadFile(o.Checkpoint)
	if err != nil || meta[keyStep] != "5" {
		t.Fatalf("step %s, %v", meta[keyStep], err)
	}
	for _, x := range tensors {
		for _, v := range x.Data {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				t.Fatalf("%s holds %v", x.Name, v)
			}
		}
	}
	o.Source, o.Resume = rendered{side: 16}, true
	if r := mustRun(t, context.Background(), o); !slices.Equal(weights(whole.Network), weights(r.Network)) {
		t.Error("resumed from the last good state, training ends at other weights")
	}
}

// TestDamagedCheckpoint: whatever is wrong with a checkpoint is said in one
// line that names it.
func TestDamagedCheckpoint(t *testing.T) {
	o := quick(small(0.1), 5)
	o.Checkpoint = filepath.Join(t.TempDir(), "state")
	mustRun(t, context.Background(), o)
	good, err := os.ReadFile(o.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	flip := slices.Clone(good)
	flip[len(flip)-3] ^= 4
	o.Resume = true
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"flipped": {flip, "corrupted checkpoint: the checksum does not match the content"},
		"cut":     {good[:len(good)/2], "cut short"},
		"empty":   {nil, "too few"},
		"other":   {bytes.Repeat([]byte("text "), 100), "not a safetensors file"},
	} {
		if err := os.WriteFile(o.Checkpoint, c.data, 0o666); err != nil {
			t.Fatal(err)
		}
		_, err := Run(context.Background(), o)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), o.Checkpoint) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
	if err := os.WriteFile(o.Checkpoint, good, 0o666); err != nil {
		t.Fatal(err)
	}
	o.Batch = 6
	if _, err := Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), "Batch is 4 there, 6 here") {
		t.Errorf("another batch: %v", err)
	}
	o.Batch, o.Source = 4, Noisy{Source: o.Source, Noise: noise.White{Sigma: 0.05}}
	if _, err := Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), "Noise is  there, \"Stein's estimate, 0.05\" here") {
		t.Errorf("pictures with noise: %v", err)
	}
}

// TestQuickTraining: a few seconds of training on rendered pictures denoise by
// 3 dB, with psi convex, R bounded below and no weight of the wrong sign.
func TestQuickTraining(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for a few seconds")
	}
	o := quick(small(0.15), 150)
	o.Source, o.EMA, o.Every, o.GainPenalty = rendered{side: 24}, 0.95, 1000, 0.1
	o.Plan[0].Rate = 1e-2
	o.Valid = rendered{side: 24}.images(8)
	r := mustRun(t, context.Background(), o)
	noisy := -20 * math.Log10(0.15)
	t.Logf("%.2f dB from %.2f dB, growth %.4f", r.PSNR, noisy, r.Network.GainBound())
	if r.PSNR < noisy+3 {
		t.Errorf("%.2f dB; the noisy pictures have %.2f", r.PSNR, noisy)
	}
	if g := r.Network.GainBound(); g > 1 {
		t.Errorf("psi may grow like %v/2 ||y||^2: R need not be bounded below", g)
	}
	for _, s := range r.Network.Config().Definition().Params {
		for i, v := range r.Network.Params()[s.Name] {
			if s.Constraint == network.NonNegative && v < 0 {
				t.Fatalf("%s[%d] is %v", s.Name, i, v)
			}
		}
	}
}
