package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/lpn-imaging/lpn/internal/checkpoint"
	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/lpn/train"
	"github.com/lpn-imaging/lpn/operators"
)

// benches lists the rows. threads is for those that do not name a number.
func benches(threads int) []bench {
	deep := lpn.SoftplusAny(1, 64, 4, 25.0/255)
	pyramid := lpn.Pyramid(1, 25.0/255)
	natural := lpn.Natural(1, 25.0/255)
	out := []bench{
		prox("prox, 64 channels x 4 layers, 128x128, vs PyTorch", deep, 128, threads),
		prox("prox, the paper's 128x128 net, hidden 256, vs PyTorch", lpn.Paper128(3, 256), 128, threads),
		prox("prox, the priors' net, 256x256, vs PyTorch", natural, 256, threads),
		prox("prox, the two-level pyramid, 256x256, vs PyTorch", pyramid, 256, threads),
		step("training step, 64 channels x 4 layers, 4 x 64x64, vs PyTorch", deep, 4, 64, threads),
		step("training step, the priors' net, 4 x 48x48, vs PyTorch", natural, 4, 48, threads),
		step("training step, the two-level pyramid, 4 x 48x48, vs PyTorch", pyramid, 4, 48, threads),
	}
	for _, c := range []struct{ c, h, stride int }{{64, 128, 1}, {256, 64, 1}, {256, 128, 2}} {
		out = append(out, conv("forward", c.c, c.h, c.stride, threads))
	}
	for _, c := range []struct{ c, h, stride int }{{64, 128, 1}, {256, 64, 1}, {256, 128, 2}} {
		out = append(out, conv("input", c.c, c.h, c.stride, threads))
	}
	for _, c := range []struct{ c, h int }{{64, 128}, {256, 64}} {
		out = append(out, conv("weight", c.c, c.h, 1, threads))
	}
	out = append(out, fft(512, 512), fft(480, 321))
	out = append(out, fan("projection", 512, 512), fan("back-projection", 512, 512))
	out = append(out,
		versus("two threads vs one, prox, 64 channels x 4 layers, 512x512", func() (side, error) { return bound(deep, 512, 2) }, func() (side, error) { return bound(deep, 512, 1) }),
		versus("two threads vs one, prox, the priors' net, 512x512", func() (side, error) { return bound(natural, 512, 2) }, func() (side, error) { return bound(natural, 512, 1) }),
		stepThreads("two threads vs one, training step, 64 channels x 4 layers, 4 x 64x64", deep, 4, 64),
		stepThreads("two threads vs one, training step, the priors' net, 4 x 48x48", natural, 4, 48),
		levels("AVX2 vs AVX-512, prox, 64 channels x 4 layers, 128x128", deep, 128),
		levels("AVX2 vs AVX-512, prox, the priors' net, 256x256", natural, 256),
		versus("prox, the priors' net, time per 512x512 at 4096x4096 vs at 512x512", func() (side, error) {
			s, err := largeProx()
			return func(times int) (float64, error) {
				ms, err := s(times)
				return ms / 64, err
			}, err
		}, func() (side, error) { return bound(natural, 512, 1) }),
	)
	return out
}

func random(n int, seed uint64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		x[i] = rng.Float32()
	}
	return x
}

func network(cfg lpn.Config) (*lpn.Network, error) {
	return lpn.New(cfg, rand.New(rand.NewPCG(1, 2)))
}

// bound is one evaluation of f on a square picture.
func bound(cfg lpn.Config, size, threads int) (side, error) {
	net, err := network(cfg)
	if err != nil {
		return nil, err
	}
	s := operators.Shape{C: cfg.Channels, H: size, W: size}
	b, err := net.On(s, lpn.Threads(threads))
	if err != nil {
		return nil, err
	}
	y, dst := random(s.Len(), 3), make([]float32, s.Len())
	return timed(func() { b.Eval(dst, y) }), nil
}

// largeProx is f of the priors' network on 4096x4096.
func largeProx() (side, error) { return bound(lpn.Natural(1, 25.0/255), 4096, 1) }

// versus compares two sides of our own; the second is the peer.
func versus(name string, a, b func() (side, error)) bench {
	return bench{name: name, setup: func(*peer) (contest, error) {
		x, err := a()
		if err != nil {
			return contest{}, err
		}
		y, err := b()
		return contest{ours: x, rivals: []rival{{"", y}}, done: func() {}}, err
	}}
}

// levels compares instruction sets; the peer is the better one.
func levels(name string, cfg lpn.Config, size int) bench {
	return bench{name: name, setup: func(*peer) (contest, error) {
		if kernel.CPU() < kernel.AVX512 {
			return contest{}, errors.New("this machine has no AVX-512")
		}
		at := func(l kernel.Level) (side, error) {
			restore := kernel.SetLevel(l)
			s, err := bound(cfg, size, 1)
			restore()
			return func(times int) (float64, error) {
				defer kernel.SetLevel(l)()
				return s(times)
			}, err
		}
		low, err := at(kernel.AVX2)
		if err != nil {
			return contest{}, err
		}
		high, err := at(kernel.AVX512)
		return contest{ours: low, rivals: []rival{{"", high}}, done: func() {}}, err
	}}
}

// share writes the network's weights and the data for the peer, in a folder
// that done removes.
func share(net *lpn.Network, data ...checkpoint.Tensor) (dir, path string, done func(), err error) {
	if dir, err = os.MkdirTemp("", "peerbench"); err != nil {
		return "", "", nil, err
	}
	done = func() { os.RemoveAll(dir) }
	for _, s := range net.Config().Definition().Params {
		data = append(data, checkpoint.Tensor{Name: s.Name, Shape: s.Dims, Data: net.Params()[s.Name]})
	}
	path = filepath.Join(dir, "net.safetensors")
	if err = checkpoint.WriteFile(path, data, nil); err != nil {
		done()
	}
	return dir, path, done, err
}

func prox(name string, cfg lpn.Config, size, threads int) bench {
	return bench{name: name, needs: "torch", setup: func(p *peer) (contest, error) {
		net, err := network(cfg)
		if err != nil {
			return contest{}, err
		}
		s := operators.Shape{C: cfg.Channels, H: size, W: size}
		b, err := net.On(s, lpn.Threads(threads))
		if err != nil {
			return contest{}, err
		}
		y, dst := random(s.Len(), 3), make([]float32, s.Len())
		dir, path, done, err := share(net, checkpoint.Tensor{Name: "y", Shape: []int{1, s.C, s.H, s.W}, Data: y})
		if err != nil {
			return contest{}, err
		}
		out := filepath.Join(dir, "f.bin")
		set, err := p.ask(request{"do": "setup", "kind": "prox", "config": cfg, "file": path, "out": out, "threads": threads})
		if err == nil {
			b.Eval(dst, y)
			err = agree(dst, out)
		}
		if err != nil {
			done()
			return contest{}, err
		}
		return p.contest(timed(func() { b.Eval(dst, y) }), set, done), nil
	}}
}

// agree compares with the peer's result in a file of float32.
func agree(ours []float32, path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if len(b) != 4*len(ours) {
		return fmt.Errorf("the peer's result has %d values, ours %d", len(b)/4, len(ours))
	}
	var diff, norm float64
	for i, v := range ours {
		w := float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
		diff += (float64(v) - w) * (float64(v) - w)
		norm += w * w
	}
	// Different orders of summation, and Winograd on our side.
	if e := math.Sqrt(diff / norm); !(e < 1e-3) {
		return fmt.Errorf("the two sides compute different things: they differ by %.2g relative", e)
	}
	return nil
}

// constant is a source of the same samples at every step.
type constant struct {
	shape operators.Shape
	x     []float32
}

func (c constant) Shape() operators.Shape { return c.shape }
func (c constant) Batch(dst []float32, _ int) error {
	copy(dst, c.x)
	return nil
}

// trainer steps a training on demand: Run reports every step, and waits there
// until the next one is wanted.
type trainer struct {
	loss   chan float64
	goOn   chan struct{}
	err    chan error
	cancel context.CancelFunc
}

const trainSeed = 1

func newTrainer(net *lpn.Network, src train.Source, batch, threads int) *trainer {
	ctx, cancel := context.WithCancel(context.Background())
	t := &trainer{make(chan float64), make(chan struct{}), make(chan error, 1), cancel}
	go func() {
		if _, ok := <-t.goOn; !ok {
			t.err <- nil
			return
		}
		_, err := train.Run(ctx, train.Options{
			Config: net.Config(), Start: net, Source: src, Batch: batch, Seed: trainSeed, Threads: threads,
			Plan: train.Plan{{Loss: train.L2, Steps: 1_000_000, Rate: 1e-4}}, Every: 1_000_000, Beta2: 0.99,
			Progress: func(p train.Progress) {
				t.loss <- p.Loss
				<-t.goOn
			},
		})
		t.err <- err
	}()
	return t
}

func (t *trainer) step() (float64, error) {
	t.goOn <- struct{}{}
	select {
	case loss := <-t.loss:
		return loss, nil
	case err := <-t.err:
		return 0, err
	}
}

func (t *trainer) side(times int) (float64, error) {
	start := now()
	for range times {
		if _, err := t.step(); err != nil {
			return 0, err
		}
	}
	return float64(now()-start) / 1e6 / float64(times), nil
}

func (t *trainer) stop() {
	t.cancel()
	close(t.goOn)
	<-t.err
}

func step(name string, cfg lpn.Config, batch, size, threads int) bench {
	return bench{name: name, needs: "torch", setup: func(p *peer) (contest, error) {
		net, err := network(cfg)
		if err != nil {
			return contest{}, err
		}
		s := operators.Shape{C: cfg.Channels, H: size, W: size}
		n := s.Len()
		x := random(batch*n, 4)
		y := make([]float32, len(x))
		for i := range batch { // the noise that Run adds at its first step
			train.AddNoise(y[i*n:][:n], x[i*n:][:n], cfg.Sigma, trainSeed, 0, i)
		}
		shape := []int{batch, s.C, size, size}
		_, path, done, err := share(net, checkpoint.Tensor{Name: "x", Shape: shape, Data: x}, checkpoint.Tensor{Name: "y", Shape: shape, Data: y})
		if err != nil {
			return contest{}, err
		}
		defer done()
		r, err := p.ask(request{"do": "setup", "kind": "train", "config": cfg, "file": path, "threads": threads})
		if err != nil {
			return contest{}, err
		}
		t := newTrainer(net, constant{s, x}, batch, threads)
		loss, err := t.step()
		if err == nil && !(math.Abs(loss-r.Value) < 1e-3*math.Abs(r.Value)) {
			err = fmt.Errorf("the two sides compute different things: loss %g and %g", loss, r.Value)
		}
		if err != nil {
			t.stop()
			return contest{}, err
		}
		return p.contest(t.side, r, t.stop), nil
	}}
}

func stepThreads(name string, cfg lpn.Config, batch, size int) bench {
	return bench{name: name, setup: func(*peer) (contest, error) {
		net, err := network(cfg)
		if err != nil {
			return contest{}, err
		}
		s := operators.Shape{C: cfg.Channels, H: size, W: size}
		src := constant{s, random(batch*s.Len(), 4)}
		two, one := newTrainer(net, src, batch, 2), newTrainer(net, src, batch, 1)
		return contest{ours: two.side, rivals: []rival{{"", one.side}}, done: func() { two.stop(); one.stop() }}, nil
	}}
}

// job runs the parts of a convolution on a pool.
type job struct {
	parts   int
	scratch [][]float32
	part    func(part int, scratch []float32)
}

func (j *job) Part(worker, part int) { j.part(part, j.scratch[worker]) }

func newJob(parts, scratch, threads int, part func(int, []float32)) *job {
	j := &job{parts: parts, part: part}
	for range threads {
		j.scratch = append(j.scratch, make([]float32, scratch))
	}
	return j
}

// conv compares one 3x3 convolution of c to c channels (forward, or the
// gradient in the input or the weights); the filter is packed beforehand.
func conv(what string, c, h, stride, threads int) bench {
	kind := map[string]string{"forward": "convolution", "input": "input gradient", "weight": "weight gradient"}[what]
	name := fmt.Sprintf("%s 3x3, C=%d, %dx%d, stride %d, vs PyTorch", kind, c, h, h, stride)
	return bench{name: name, needs: "torch", setup: func(p *peer) (contest, error) {
		s := kernel.ConvShape{N: 1, H: h, W: h, Ci: c, Co: c, K: 3, Stride: stride, Pad: 1}
		oh, ow := s.Out()
		x, y, w := random(h*h*c, 5), random(oh*ow*c, 6), random(9*c*c, 7)
		var j *job
		switch what {
		case "forward":
			k := kernel.NewConv(s)
			f := k.Pack(nil, w)
			j = newJob(k.Parts(), k.ScratchLen(), threads, func(i int, scratch []float32) { k.Part(y, x, f, i, false, scratch) })
		case "input":
			k := kernel.NewConvT(s)
			f := k.Pack(nil, w)
			j = newJob(k.Parts(), k.ScratchLen(), threads, func(i int, scratch []float32) { k.Part(x, y, f, i, false, scratch) })
		case "weight":
			k := kernel.NewConvW(s)
			j = newJob(k.Parts(), k.ScratchLen(), threads, func(i int, scratch []float32) { k.Part(w, x, y, i, scratch) })
		}
		set, err := p.ask(request{"do": "setup", "kind": "conv", "what": what, "c": c, "h": h, "stride": stride, "threads": threads})
		if err != nil {
			return contest{}, err
		}
		pool := kernel.NewPool(threads)
		return p.contest(timed(func() { pool.Do(j, j.parts) }), set, pool.Close), nil
	}}
}

func fft(h, w int) bench {
	name := fmt.Sprintf("real FFT %dx%d, vs scipy.fft.rfft2 float32", h, w)
	return bench{name: name, needs: "scipy", setup: func(p *peer) (contest, error) {
		set, err := p.ask(request{"do": "setup", "kind": "fft", "h": h, "w": w, "threads": 1})
		if err != nil {
			return contest{}, err
		}
		k := kernel.NewFFT2(h, w)
		x, y := random(h*w, 8), make([]complex64, h*(w/2+1))
		return p.contest(timed(func() { k.Forward(y, x) }), set, func() {}), nil
	}}
}

// fan is the projection of an n x n picture in a fan, or its transpose, on all cores,
// beside a loop over the views in NumPy.
func fan(what string, n, views int) bench {
	name := fmt.Sprintf("fan %s, %dx%d, %d angles, all cores, vs a NumPy loop", what, n, n, views)
	return bench{name: name, needs: "scipy", setup: func(p *peer) (contest, error) {
		back := what != "projection"
		source, detector := 2*float64(n), float64(n)
		g := operators.Geometry{Beam: operators.FanFlat, Detectors: n, Source: source, Detector: detector}
		for i := range views {
			g.Angles = append(g.Angles, 360*float64(i)/float64(views))
		}
		a, err := operators.NewTomograph(operators.Shape{C: 1, H: n, W: n}, g)
		if err != nil {
			return contest{}, err
		}
		x, y, apply := random(a.Domain().Len(), 9), make([]float32, a.Codomain().Len()), a.Apply
		if back {
			x, y, apply = random(len(y), 9), make([]float32, len(x)), a.Adjoint
		}
		dir, err := os.MkdirTemp("", "peerbench")
		if err != nil {
			return contest{}, err
		}
		done := func() { os.RemoveAll(dir) }
		in, out := filepath.Join(dir, "x.bin"), filepath.Join(dir, "y.bin")
		raw, err := binary.Append(nil, binary.LittleEndian, x)
		if err == nil {
			err = os.WriteFile(in, raw, 0o666)
		}
		var set reply
		if err == nil {
			set, err = p.ask(request{"do": "setup", "kind": "fan", "threads": 1, "n": n, "views": views, "source": source, "detector": detector, "back": back, "file": in, "out": out})
		}
		if err == nil {
			apply(y, x)
			err = agree(y, out)
		}
		if err != nil {
			done()
			return contest{}, err
		}
		return p.contest(timed(func() { apply(y, x) }), set, done), nil
	}}
}
