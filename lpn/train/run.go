package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/lpn-imaging/lpn/internal/checkpoint"
	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/internal/network"
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// Options say what to train and how. Source, Config, Plan and Batch must be set.
type Options struct {
	Config lpn.Config
	Source Source
	Plan   Plan
	// Batch is the number of samples a step.
	Batch int
	// Seed determines the initial weights, the samples and the noise.
	Seed uint64
	// Start is the network to begin from; nil means random weights.
	Start *lpn.Network

	Beta1, Beta2 float64 // Adam's decays; defaults 0.9 and 0.999
	// Clip is the largest gradient norm, 0 for none.
	Clip float64
	// EMA is the decay of the weights' moving average, which is then the
	// result; 0 for none.
	EMA float64
	// GainPenalty is the weight of the penalty that keeps pyramids from amplifying
	// strong waves; 0 for none.
	GainPenalty float64

	// Loss is the loss of stages whose Loss is Own.
	Loss LossFunc

	// Valid are pictures held back for validation. ValidNoise is their noise, nil if
	// they are clean; with noise the PSNR is an estimate: see Noisy.
	Valid      []operators.Image
	ValidNoise noise.Model
	// Patience ends the training after so many validations in a row without
	// improvement; the result is then the network of the best. 0 means never.
	Patience int
	// Every is the number of steps between validations, checkpoints and log
	// lines; 0 means 1000.
	Every int
	// Checkpoint is the file for the state of the training; "" for none.
	Checkpoint string
	// Resume continues from Checkpoint instead of starting.
	Resume bool
	// Threads is the number of cores, 0 for all. It does not change the
	// result.
	Threads int
	// Log receives a CSV row at each validation; nil for none.
	Log io.Writer
	// Validated is called at each validation with the network of that moment, before the
	// row of the log is written; it may be nil. Its error ends the training.
	Validated func(step int, net *lpn.Network) error
	// Progress is called after every step; it may be nil.
	Progress func(Progress)
}

// LogHeader is the first line of Options.Log; a resumed training writes rows
// only.
const LogHeader = "step,seconds,loss,rate,gradient_norm,growth,psnr"

// Progress is the state of training after a step.
type Progress struct {
	Step, Steps int
	Loss        float64 // of this step
	Norm        float64 // of the gradient, before clipping
	Rate        float64
	Top         float64 // the largest gain of the penalty's probes; 0 without
	Seconds     float64
	PSNR        float64 // the last validation's, NaN before the first
}

// A Result is the result of a training.
type Result struct {
	Network *lpn.Network
	PSNR    float64 // on the validation pictures, NaN without
	Steps   int     // that were made
	Seconds float64
	Curve   []Point // the validations
}

// A Point is the state at a validation.
type Point struct {
	Step int     `json:"step"`
	Loss float64 `json:"loss"` // of one step
	Rate float64 `json:"rate"`
	Gain float64 `json:"growth,omitempty"` // the largest gain of the penalty's probes
	PSNR Decibel `json:"psnr"`
}

// A Decibel is a PSNR that may be NaN, null in JSON.
type Decibel float64

// MarshalJSON writes null for numbers that are not finite.
func (d Decibel) MarshalJSON() ([]byte, error) {
	if v := float64(d); math.IsNaN(v) || math.IsInf(v, 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(d))
}

// UnmarshalJSON reads null as NaN.
func (d *Decibel) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		*d = Decibel(math.NaN())
		return nil
	}
	return json.Unmarshal(text, (*float64)(d))
}

// ErrInterrupted is returned when the context ends: the checkpoint, if there
// is one, holds the state to resume from.
var ErrInterrupted = errors.New("train: interrupted")

// ErrDiverged is returned when the loss or a weight is not a number: the
// checkpoint still holds the last good state.
var ErrDiverged = errors.New("train: the loss is not a number")

// lowpassRate slows the filters that are normalised to unit gain. Their
// elements are about 1/81: at the full rate one could pass through gain 0,
// where the normalisation explodes.
const lowpassRate = 0.05

// chunksOf fixes how a batch is cut, whatever the number of threads.
func chunksOf(batch int) int { return min((batch+1)/2, 8) }

// runState is everything that a checkpoint must hold.
type runState struct {
	o       Options
	m       *model
	names   []string
	w, g    [][]float32
	adam    *Adam
	ema     *EMA
	step    int
	seconds float64
	psnr    float64
	curve   []Point
	best    best

	x, y []float32 // of a batch: clean pictures, or those that are there, and what is seen
	// For Stein's estimate: noise, and the two views of every sample and its target.
	c, seen, target []float32
}

// best is the best validation so far, where training is to end when it gets no better.
type best struct {
	psnr    float64
	since   int         // validations since
	weights [][]float32 // of the result; nil before the first
}

// Run trains a network. The result depends on the options but not on the number of
// threads, and a resumed training gives the same bits as one without a break.
func Run(ctx context.Context, o Options) (*Result, error) {
	s, err := newRun(o)
	if err != nil {
		return nil, err
	}
	defer s.m.close()
	if o.Resume {
		if err := s.load(); err != nil {
			return nil, err
		}
	} else if o.Log != nil {
		fmt.Fprintln(o.Log, LogHeader)
	}
	return s.loop(ctx)
}

func newRun(o Options) (*runState, error) {
	if err := o.Config.Validate(); err != nil {
		return nil, err
	}
	if p := o.Config.Pyramid; p != nil && p.Threshold == 0 {
		return nil, errors.New("train: a pyramid without threshold has no R that is bounded below; give its config a \"reach\", such as 4/unit")
	}
	if err := o.checkPlan(); err != nil {
		return nil, err
	}
	if o.Batch < 1 {
		return nil, fmt.Errorf("train: batch is %d, want at least 1", o.Batch)
	}
	shape := o.Source.Shape()
	if shape.C != o.Config.Channels {
		return nil, fmt.Errorf("train: samples of %d channels for a network of %d", shape.C, o.Config.Channels)
	}
	if o.Config.Height > 0 && (shape.H != o.Config.Height || shape.W != o.Config.Width) {
		return nil, fmt.Errorf("train: samples of %dx%d for a network of %dx%d", shape.H, shape.W, o.Config.Height, o.Config.Width)
	}
	if err := o.Config.Fits(shape.H, shape.W); err != nil {
		return nil, err
	}
	if o.Every <= 0 {
		o.Every = 1000
	}
	if o.Beta1 == 0 {
		o.Beta1 = 0.9
	}
	if o.Beta2 == 0 {
		o.Beta2 = 0.999
	}
	start := o.Start
	if start == nil {
		var err error
		if start, err = lpn.New(o.Config, rand.New(rand.NewPCG(o.Seed, 0x6c706e))); err != nil {
			return nil, err
		}
	}
	threads := o.Threads
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	views := 1
	if _, noisy := o.Source.(Steiner); noisy {
		views = 2
	}
	m, err := newModel(o.Config, start.Params(), modelShape{o.Batch, shape.H, shape.W, views}, chunksOf(o.Batch), threads)
	if err != nil {
		return nil, err
	}
	if o.Config.Pyramid != nil && o.GainPenalty > 0 {
		m.penalty = newGainPenalty(o.Config, m.params, o.GainPenalty, o.Seed)
	}
	for _, c := range m.chunks {
		c.lossFn.own = o.Loss
	}
	s := &runState{o: o, m: m, psnr: math.NaN(), best: best{psnr: math.Inf(-1)}}
	s.x, s.y = make([]float32, o.Batch*shape.Len()), make([]float32, o.Batch*shape.Len())
	if views == 2 {
		s.c, s.seen, s.target = make([]float32, len(s.x)), make([]float32, 2*len(s.x)), make([]float32, 2*len(s.x))
	}
	var lengths []int
	for _, p := range m.specs {
		s.names = append(s.names, p.Name)
		s.w = append(s.w, m.params[p.Name])
		s.g = append(s.g, m.grads[p.Name])
		lengths = append(lengths, p.Len())
	}
	s.adam = NewAdam(lengths, o.Beta1, o.Beta2)
	for _, p := range m.specs {
		k := 1.0
		if p.Constraint == network.UnitGain {
			k = lowpassRate
		}
		s.adam.Scale = append(s.adam.Scale, k)
	}
	if o.EMA > 0 {
		s.ema = NewEMA(s.w, o.EMA)
	}
	return s, nil
}

func (s *runState) loop(ctx context.Context) (*Result, error) {
	o := s.o
	total := o.Plan.Steps()
	began, before := time.Now(), s.seconds
	for s.step < total && !s.impatient() {
		if ctx.Err() != nil {
			if err := s.save(); err != nil {
				return nil, err
			}
			return nil, fmt.Errorf("%w after %d of %d steps", ErrInterrupted, s.step, total)
		}
		rate := o.Plan.RateAt(s.step)
		loss, norm, err := s.advance(rate)
		if err != nil {
			return nil, err
		}
		s.seconds = before + time.Since(began).Seconds()
		p := Progress{Step: s.step, Steps: total, Loss: loss, Norm: norm, Rate: rate, Seconds: s.seconds, PSNR: s.psnr}
		if s.m.penalty != nil {
			p.Top = s.m.penalty.top
		}
		if s.step%o.Every == 0 || s.step == total {
			if s.psnr, err = s.validate(); err != nil {
				return nil, err
			}
			p.PSNR = s.psnr
			s.curve = append(s.curve, Point{Step: p.Step, Loss: p.Loss, Rate: p.Rate, Gain: p.Top, PSNR: Decibel(p.PSNR)})
			if err := s.note(); err != nil {
				return nil, err
			}
			if o.Log != nil {
				fmt.Fprintf(o.Log, "%d,%.1f,%.6g,%.4g,%.4g,%.4f,%.4f\n", p.Step, p.Seconds, p.Loss, p.Rate, p.Norm, p.Top, p.PSNR)
			}
			if err := s.save(); err != nil {
				return nil, err
			}
		}
		if o.Progress != nil {
			o.Progress(p)
		}
	}
	return s.finish()
}

// advance makes one step at a learning rate and returns the loss and the norm of its
// gradient.
func (s *runState) advance(rate float64) (loss, norm float64, err error) {
	stage, _, _ := s.o.Plan.At(s.step)
	seen, target, kind, err := s.batch(stage)
	if err != nil {
		return 0, 0, err
	}
	if loss, err = s.m.gradient(seen, target, kind, stage.Gamma*math.Sqrt(float64(s.o.Source.Shape().Len()))); err != nil {
		return 0, 0, err
	}
	s.o.Config.Definition().ProjectGradient(s.m.grads, s.m.params)
	s.m.push()
	norm = s.m.norm()
	if math.IsNaN(loss+norm) || math.IsInf(loss+norm, 0) {
		return loss, norm, fmt.Errorf("%w at step %d (rate %g); a smaller rate may help", ErrDiverged, s.step, rate)
	}
	s.move(rate, norm)
	s.step++
	return loss, norm, nil
}

// batch draws the samples of the current step: the inputs of the network, what its outputs
// are compared with, and by which loss.
func (s *runState) batch(stage Stage) (seen, target []float32, kind Loss, err error) {
	o, size := s.o, s.o.Source.Shape().Len()
	sigma := stage.Sigma
	if sigma == 0 {
		sigma = o.Config.Sigma
	}
	switch source := o.Source.(type) {
	case Steiner:
		if err := source.Stein(s.y, s.x, s.c, sigma, s.step); err != nil {
			return nil, nil, "", err
		}
		for i := range o.Batch {
			a, b := 2*i*size, (2*i+1)*size
			y, z, c := s.y[i*size:][:size], s.x[i*size:][:size], s.c[i*size:][:size]
			copy(s.seen[a:], y)
			copy(s.seen[b:], y)
			kernel.Axpy(s.seen[b:b+size], steinStep, c)
			copy(s.target[a:], z)
			copy(s.target[b:], c)
		}
		return s.seen, s.target, stein, nil
	case Pairer:
		return s.y, s.x, stage.Loss, source.Pairs(s.y, s.x, sigma, s.step)
	}
	if err := o.Source.Batch(s.x, s.step); err != nil {
		return nil, nil, "", err
	}
	for i := range o.Batch {
		AddNoise(s.y[i*size:(i+1)*size], s.x[i*size:(i+1)*size], sigma, o.Seed, s.step, i)
	}
	return s.y, s.x, stage.Loss, nil
}

// checkPlan refuses stages that the source or the options do not go with.
func (o Options) checkPlan() error {
	if err := o.Plan.Validate(); err != nil {
		return err
	}
	for i, stage := range o.Plan {
		if stage.Loss == Own && o.Loss == nil {
			return fmt.Errorf("train: stage %d: the loss own wants Options.Loss", i+1)
		}
		switch o.Source.(type) {
		case Steiner, Recorrupted, Exposures:
			if stage.Loss != L2 {
				return fmt.Errorf("train: stage %d: loss is %s; pictures with noise are learned from by l2 only", i+1, stage.Loss)
			}
		}
	}
	return nil
}

// note remembers the best validation.
func (s *runState) note() error {
	if s.o.Patience == 0 {
		return nil
	}
	if s.best.since++; !(s.psnr > s.best.psnr) {
		return nil
	}
	net, err := s.network()
	if err != nil {
		return err
	}
	s.best = best{psnr: s.psnr}
	for _, name := range s.names {
		s.best.weights = append(s.best.weights, slices.Clone(net.Params()[name]))
	}
	return nil
}

// impatient reports whether training is to end early.
func (s *runState) impatient() bool { return s.o.Patience > 0 && s.best.since >= s.o.Patience }

// move takes the weights one step against a gradient of the given norm.
func (s *runState) move(rate, norm float64) {
	s.adam.Step++
	clip := s.o.Clip > 0 && norm > s.o.Clip
	s.m.each(func(_ int, seg segment) {
		if g := seg.in(s.g); clip {
			kernel.Scale(g, g, float32(s.o.Clip/norm))
		}
		s.adam.update(seg, s.w, s.g, rate)
	})
	s.o.Config.Definition().Project(s.m.params)
	if s.ema != nil {
		s.m.each(func(_ int, seg segment) { s.ema.update(seg, s.w) })
	}
}

// network is the current result: the average if there is one.
func (s *runState) network() (*lpn.Network, error) {
	params := s.m.snapshot()
	if s.ema != nil {
		for i, name := range s.names {
			params[name] = slices.Clone(s.ema.W[i])
		}
		s.o.Config.Definition().Project(params)
	}
	return lpn.FromParams(s.o.Config, params)
}

func (s *runState) validate() (float64, error) {
	net, err := s.network()
	if err != nil {
		return 0, err
	}
	if s.o.Validated != nil {
		if err := s.o.Validated(s.step, net); err != nil {
			return 0, err
		}
	}
	return s.o.Measure(net)
}

// Measure is the PSNR in decibels of a network on the held-back pictures, as Run measures
// it; NaN without pictures.
func (o Options) Measure(net *lpn.Network) (float64, error) {
	if o.ValidNoise != nil {
		return ValidateNoisy(net, o.Valid, o.ValidNoise, o.Seed, o.Threads)
	}
	return Validate(net, o.Valid, o.Seed, o.Threads)
}

// Validate returns the mean PSNR in decibels of the network as a denoiser at its sigma,
// on pictures with noise drawn from seed, clipped to [0,1]; NaN without pictures.
func Validate(net *lpn.Network, pictures []operators.Image, seed uint64, threads int) (float64, error) {
	if len(pictures) == 0 {
		return math.NaN(), nil
	}
	sum := 0.0
	on := binder(net, threads)
	for i, x := range pictures {
		b, err := on(x.Shape)
		if err != nil {
			return 0, err
		}
		y := make([]float32, len(x.Pix))
		AddNoise(y, x.Pix, net.Config().Sigma, seed, math.MaxInt32, i)
		b.Eval(y, y)
		sum += psnr(y, x.Pix)
	}
	return sum / float64(len(pictures)), nil
}

// ValidateNoisy estimates what Validate would return of the clean pictures from noisy
// ones, by Stein's estimate of the squared error: see Noisy. Nothing is clipped.
func ValidateNoisy(net *lpn.Network, pictures []operators.Image, m noise.Model, seed uint64, threads int) (float64, error) {
	if len(pictures) == 0 {
		return math.NaN(), nil
	}
	sum := 0.0
	on := binder(net, threads)
	for i, z := range pictures {
		b, err := on(z.Shape)
		if err != nil {
			return 0, err
		}
		n := len(z.Pix)
		y, c, f := make([]float32, n), make([]float32, n), make([]float32, 2*n)
		target := make([]float32, 2*n)
		whiten(y, z.Pix, m, z.Shape, net.Config().Sigma, seed, math.MaxInt32, i)
		likeNoise(c, z.Pix, m, z.Shape, seed, math.MaxInt32, i)
		b.Eval(f[:n], y)
		copy(target, z.Pix)
		copy(target[n:], c)
		kernel.Axpy(y, steinStep, c)
		b.Eval(f[n:], y)
		// ||c||^2 estimates the trace of S, here the sum of variances.
		m.Variance(y, z.Pix, z.Shape)
		trace := 0.0
		for _, v := range y {
			trace += float64(v)
		}
		e := (steinSum(f, target, n) + kernel.Dot(c, c) - trace) / float64(n)
		sum -= 10 * math.Log10(max(e, 1e-9))
	}
	return sum / float64(len(pictures)), nil
}

// binder binds a network to each shape once.
func binder(net *lpn.Network, threads int) func(operators.Shape) (*lpn.Bound, error) {
	bound := map[operators.Shape]*lpn.Bound{}
	return func(s operators.Shape) (b *lpn.Bound, err error) {
		if b = bound[s]; b == nil {
			b, err = net.On(s, lpn.Threads(threads))
			bound[s] = b
		}
		return b, err
	}
}

// psnr is the peak signal-to-noise ratio for range 1, y clipped to [0,1].
func psnr(y, x []float32) float64 {
	e := 0.0
	for i, v := range y {
		d := float64(min(1, max(0, v))) - float64(x[i])
		e += d * d
	}
	return -10 * math.Log10(e/float64(len(x)))
}

func (s *runState) finish() (*Result, error) {
	net, err := s.network()
	if s.best.weights != nil {
		params := map[string][]float32{}
		for i, name := range s.names {
			params[name] = s.best.weights[i]
		}
		s.psnr = s.best.psnr
		net, err = lpn.FromParams(s.o.Config, params)
	}
	if err != nil {
		return nil, err
	}
	return &Result{Network: net.WellPosed(), Steps: s.step, Seconds: s.seconds, PSNR: s.psnr, Curve: s.curve}, nil
}

// The checkpoint's own entries in the metadata.
const (
	keyStep    = "train.step"
	keySeconds = "train.seconds"
	keyPSNR    = "train.psnr"
	keyMatch   = "train.options"
	keyCurve   = "train.curve"
	keyBest    = "train.best"
)

// match describes what must not differ between a checkpoint and the options
// that resume it.
func (s *runState) match() (string, error) {
	o := s.o
	text, err := json.Marshal(struct {
		Config      lpn.Config
		Plan        Plan
		Batch       int
		Seed        uint64
		Shape       operators.Shape
		B1, B2      float64
		Clip, EMA   float64
		GainPenalty float64 `json:"Growth"`
		Patience    int     `json:",omitempty"`
		Noise       string  `json:",omitempty"`
	}{o.Config, o.Plan, o.Batch, o.Seed, o.Source.Shape(), o.Beta1, o.Beta2, o.Clip, o.EMA, o.GainPenalty, o.Patience, noiseOf(o.Source)})
	return string(text), err
}

func (s *runState) save() error {
	if s.o.Checkpoint == "" {
		return nil
	}
	match, err := s.match()
	if err != nil {
		return err
	}
	meta := map[string]string{
		keyStep: strconv.Itoa(s.step), keyMatch: match,
		keySeconds: strconv.FormatFloat(s.seconds, 'g', -1, 64),
		keyPSNR:    strconv.FormatFloat(s.psnr, 'g', -1, 64),
	}
	curve, err := json.Marshal(s.curve)
	if err != nil {
		return err
	}
	meta[keyCurve] = string(curve)
	var t []checkpoint.Tensor
	if s.best.weights != nil {
		meta[keyBest] = fmt.Sprintf("%v %d", s.best.psnr, s.best.since)
		for i, name := range s.names {
			t = append(t, checkpoint.Tensor{Name: "best." + name, Shape: []int{len(s.w[i])}, Data: s.best.weights[i]})
		}
	}
	for i, name := range s.names {
		t = append(t, checkpoint.Tensor{Name: "w." + name, Shape: []int{len(s.w[i])}, Data: s.w[i]})
	}
	t = append(t, s.adam.tensors(s.names)...)
	if s.ema != nil {
		t = append(t, s.ema.tensors(s.names)...)
	}
	if s.m.penalty != nil {
		t = append(t, s.m.penalty.tensor())
	}
	return checkpoint.WriteFile(s.o.Checkpoint, t, meta)
}

func (s *runState) load() error {
	t, meta, err := checkpoint.ReadFile(s.o.Checkpoint)
	if err != nil {
		return err
	}
	want, err := s.match()
	if err != nil {
		return err
	}
	if meta[keyMatch] != want {
		return fmt.Errorf("train: %s belongs to a training with other options: %s", s.o.Checkpoint, difference(meta[keyMatch], want))
	}
	if s.step, err = strconv.Atoi(meta[keyStep]); err != nil {
		return fmt.Errorf("train: %s: no step in the checkpoint", s.o.Checkpoint)
	}
	s.seconds, _ = strconv.ParseFloat(meta[keySeconds], 64)
	if s.psnr, err = strconv.ParseFloat(meta[keyPSNR], 64); err != nil {
		s.psnr = math.NaN()
	}
	if text := meta[keyCurve]; text != "" {
		if err := json.Unmarshal([]byte(text), &s.curve); err != nil {
			return fmt.Errorf("train: %s: the curve in the checkpoint: %w", s.o.Checkpoint, err)
		}
	}
	if err := restore("w.", s.names, s.w, t); err != nil {
		return err
	}
	if text := meta[keyBest]; text != "" && s.o.Patience > 0 {
		if _, err := fmt.Sscan(text, &s.best.psnr, &s.best.since); err != nil {
			return fmt.Errorf("train: %s: the best in the checkpoint: %w", s.o.Checkpoint, err)
		}
		for _, w := range s.w {
			s.best.weights = append(s.best.weights, make([]float32, len(w)))
		}
		if err := restore("best.", s.names, s.best.weights, t); err != nil {
			return err
		}
	}
	if err := s.adam.restore(s.names, t, s.step); err != nil {
		return err
	}
	if s.ema != nil {
		if err := s.ema.restore(s.names, t); err != nil {
			return err
		}
	}
	if g := s.m.penalty; g != nil {
		return g.restore(t, s.step)
	}
	return nil
}

// difference names the first option that differs.
func difference(a, b string) string {
	var x, y map[string]json.RawMessage
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return "unreadable"
	}
	for _, k := range slices.Sorted(maps.Keys(y)) {
		if string(x[k]) != string(y[k]) {
			return fmt.Sprintf("%s is %s there, %s here", k, x[k], y[k])
		}
	}
	return "no visible difference"
}
