package train

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/lpn-imaging/lpn/operators"
)

// A Source yields clean samples, the x of the training pairs (x, x + noise).
type Source interface {
	// Shape is the shape of one sample.
	Shape() operators.Shape
	// Batch fills dst with the samples of a step, one after the other; len(dst) is a
	// multiple of Shape().Len(). The samples are a function of the source and of step
	// alone, so that a resumed training gets the same samples as one without a break.
	Batch(dst []float32, step int) error
}

var (
	_ Source = (*Sampler)(nil)
	_ Source = Laplace{}
)

// A Sampler draws square patches from Images: a picture with equal
// probability, then a position. It is safe for concurrent use.
type Sampler struct {
	Images *Images
	// Patch is the width and height; every picture must be at least as large (see
	// DataOptions.Patch).
	Patch int
	// Seed selects the sequence.
	Seed uint64
	// Symmetries applies one of the 8 flips and rotations at random.
	Symmetries bool
	// MinScale below 1 shrinks a larger window to the patch by a random
	// factor in [MinScale,1], with antialiasing; 0 and 1 leave pixels as
	// they are.
	MinScale float64
	// Jitter multiplies the sample by a random gain in [1-Jitter,1] and, in
	// colour, each channel by one more in [1-Jitter/2,1], so that values
	// stay in [0,1]. 0 leaves them.
	Jitter float64

	// When the pictures do not fit the memory, steps go by periods, each
	// with its own selection of pictures.
	mu   sync.Mutex
	now  *selection
	next chan *selection // the period being loaded, nil if none
}

// Shape is that of one patch.
func (s *Sampler) Shape() operators.Shape {
	return operators.Shape{C: s.Images.channels, H: s.Patch, W: s.Patch}
}

// Batch fills dst with len(dst)/Shape().Len() patches.
func (s *Sampler) Batch(dst []float32, step int) error {
	n := s.Shape().Len()
	if n == 0 || len(dst)%n != 0 {
		panic(fmt.Sprintf("train: a batch of %d values, want a multiple of %d", len(dst), n))
	}
	pick := s.Images.list
	if s.Images.streamed {
		sel, err := s.selectionFor(step / selectionSteps)
		if err != nil {
			return err
		}
		pick = sel.list
	}
	for i := range len(dst) / n {
		if err := s.sample(dst[i*n:][:n], pick, step, i); err != nil {
			return err
		}
	}
	return nil
}

// sample fills dst with one patch of one of the pictures.
func (s *Sampler) sample(dst []float32, pick []*picture, step, index int) error {
	rng := newStream(s.Seed, purposePatch, step, index)
	defer rng.free()
	r := pick[rng.IntN(len(pick))].r
	p := s.Patch
	if min(r.h, r.w) < p {
		return fmt.Errorf("train: %w", tooSmall(r.h, r.w, p))
	}
	sym := 0
	if s.Symmetries {
		sym = rng.IntN(8)
	}
	q := p
	if s.MinScale > 0 && s.MinScale < 1 {
		scale := s.MinScale + (1-s.MinScale)*rng.Float64()
		q = min(int(math.Round(float64(p)/scale)), r.h, r.w)
	}
	y, x := rng.IntN(r.h-q+1), rng.IntN(r.w-q+1)
	if q == p {
		for c := range r.c {
			r.patch(dst[c*p*p:][:p*p], c, y, x, p, sym)
		}
	} else {
		z := shrinks.Get().(*shrink)
		z.reset(q, p)
		for c := range r.c {
			r.patch(z.src, c, y, x, q, sym)
			z.apply(dst[c*p*p:][:p*p], z.src)
		}
		shrinks.Put(z)
	}
	if s.Jitter > 0 {
		all := 1 - s.Jitter*rng.Float64()
		for c := range r.c {
			gain := all
			if r.c > 1 {
				gain *= 1 - s.Jitter/2*rng.Float64()
			}
			for i := range p * p {
				dst[c*p*p+i] *= float32(gain)
			}
		}
	}
	return nil
}

// patch copies the p x p window of channel c at (y,x), transformed by one of
// the 8 symmetries of the square: bit 2 transposes, bit 1 flips up-down, bit 0
// left-right, the transposition last.
func (r *raster) patch(dst []float32, c, y, x, p, sym int) {
	at := (c*r.h+y)*r.w + x
	dy, dx := r.w, 1
	if sym&2 != 0 {
		at, dy = at+(p-1)*dy, -dy
	}
	if sym&1 != 0 {
		at, dx = at+(p-1)*dx, -dx
	}
	if sym&4 != 0 {
		dy, dx = dx, dy
	}
	for i := range p {
		row := dst[i*p:][:p]
		k := at + i*dy
		switch {
		case r.u8 != nil:
			for j := range row {
				row[j] = from8[r.u8[k]]
				k += dx
			}
		case r.u16 != nil:
			for j := range row {
				row[j] = float32(r.u16[k]) / 65535
				k += dx
			}
		default:
			for j := range row {
				row[j] = r.f32[k]
				k += dx
			}
		}
		if r.gain != 0 {
			for j, v := range row {
				row[j] = r.gain*v + r.bias
			}
		}
	}
}

// A shrink resamples q samples to p < q along both axes with a triangle of
// half-width q/p, which is bilinear interpolation with antialiasing.
type shrink struct {
	q, p  int
	first []int     // of output i: the first input
	taps  int       // weights of each output
	w     []float32 // of output i, from w[i*taps]; they sum to 1
	src   []float32 // q*q, for the caller
	tmp   []float32 // q*p
}

var shrinks = sync.Pool{New: func() any { return new(shrink) }}

// resize returns a slice of n elements with s's memory if that is enough.
func resize[T any](s []T, n int) []T { return slices.Grow(s[:0], n)[:n] }

func (z *shrink) reset(q, p int) {
	ratio := float64(q) / float64(p)
	z.q, z.p, z.taps = q, p, int(math.Ceil(2*ratio))+1
	z.first, z.w = resize(z.first, p), resize(z.w, p*z.taps)
	z.src, z.tmp = resize(z.src, q*q), resize(z.tmp, q*p)
	for i := range p {
		centre := (float64(i)+0.5)*ratio - 0.5
		// Outside the triangle and the window the weight is zero.
		lo := min(max(int(math.Floor(centre-ratio)), 0), max(q-z.taps, 0))
		z.first[i] = lo
		row := z.w[i*z.taps:][:z.taps]
		sum := 0.0
		for k := range row {
			v := 1 - math.Abs(float64(lo+k)-centre)/ratio
			if v < 0 || lo+k >= q {
				v = 0
			}
			row[k] = float32(v)
			sum += v
		}
		for k := range row {
			row[k] /= float32(sum)
		}
	}
}

func (z *shrink) apply(dst, src []float32) {
	taps := min(z.taps, z.q)
	for y := range z.q {
		for i := range z.p {
			in := src[y*z.q+z.first[i]:][:taps]
			s := float32(0)
			for k, w := range z.w[i*z.taps:][:taps] {
				s += w * in[k]
			}
			z.tmp[y*z.p+i] = s
		}
	}
	clear(dst)
	for i := range z.p {
		row := dst[i*z.p:][:z.p]
		for k, w := range z.w[i*z.taps:][:taps] {
			for j, v := range z.tmp[(z.first[i]+k)*z.p:][:z.p] {
				row[j] += w * v
			}
		}
	}
}

const (
	selectionSteps = 64 // steps that share a selection
	selectionSize  = 32 // pictures in it, fewer if they are large
)

// A selection is what is in memory during one period.
type selection struct {
	period int
	list   []*picture
	err    error
}

// selectionFor returns the pictures of a period and has those of the next one
// loaded in the background.
func (s *Sampler) selectionFor(period int) (*selection, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now == nil || s.now.period != period {
		var got *selection
		if s.next != nil {
			got = <-s.next
			s.next = nil
		}
		if got == nil || got.period != period {
			got = s.load(period)
		}
		s.now = got
		next := make(chan *selection, 1)
		s.next = next
		go func() { next <- s.load(period + 1) }()
	}
	return s.now, s.now.err
}

// load decodes pictures in an order drawn for the period until there are
// enough of them or they fill their half of the memory. Broken ones are
// reported, once, and passed over.
func (s *Sampler) load(period int) *selection {
	rng := newStream(s.Seed, purposeSelection, period, 0)
	defer rng.free()
	sel := &selection{period: period}
	var used int64
	for _, i := range rng.Perm(len(s.Images.list)) {
		p := s.Images.list[i]
		r, err := p.load()
		if err != nil {
			s.Images.skipped.addOnce(p.name, err)
			continue
		}
		sel.list = append(sel.list, &picture{name: p.name, r: r})
		used += int64(len(r.u8) + 2*len(r.u16) + 4*len(r.f32))
		if len(sel.list) == selectionSize || used > s.Images.budget/2 {
			break
		}
	}
	if len(sel.list) == 0 {
		sel.err = fmt.Errorf("train: none of %d images can be decoded", len(s.Images.list))
	}
	return sel
}

func (s *skipList) addOnce(path string, err error) {
	s.Lock()
	known := slices.ContainsFunc(s.list, func(k Skip) bool { return k.Path == path })
	s.Unlock()
	if !known {
		s.add(path, err)
	}
}

// Laplace is a source of scalars (pictures of one pixel) with density
// exp(-|x|/B)/(2B), the prior of the 1-D example: its proximal operator is
// soft-thresholding.
type Laplace struct {
	B    float64 // scale; 0 means 1
	Seed uint64
}

// Shape is 1x1x1.
func (l Laplace) Shape() operators.Shape { return operators.Shape{C: 1, H: 1, W: 1} }

// Batch fills dst with independent samples. It never fails.
func (l Laplace) Batch(dst []float32, step int) error {
	b := l.B
	if b == 0 {
		b = 1
	}
	rng := newStream(l.Seed, purposePatch, step, 0)
	defer rng.free()
	for i := range dst {
		v := b * rng.ExpFloat64()
		if rng.Uint64()&1 != 0 {
			v = -v
		}
		dst[i] = float32(v)
	}
	return nil
}

// AddNoise writes x + sigma*n to dst, n standard Gaussian and a function of (seed,
// step, index) alone: sample index of a step has the same noise in any goroutine. dst
// may equal x.
func AddNoise(dst, x []float32, sigma float64, seed uint64, step, index int) {
	if len(dst) != len(x) {
		panic(fmt.Sprintf("train: AddNoise: %d values into %d", len(x), len(dst)))
	}
	rng := newStream(seed, purposeNoise, step, index)
	defer rng.free()
	for i, v := range x {
		dst[i] = v + float32(sigma*rng.NormFloat64())
	}
}

// Purposes keep the random numbers of different uses apart.
const (
	purposePatch = iota + 1
	purposeNoise
	purposeSelection
	purposeProbe
)

// A stream is the generator of one use in one step. Streams are recycled; the
// state is set each time.
type stream struct {
	*rand.Rand
	pcg rand.PCG
}

var streams = sync.Pool{New: func() any {
	s := new(stream)
	s.Rand = rand.New(&s.pcg)
	return s
}}

func (s *stream) free() { streams.Put(s) }

// newStream hashes a place in the sequence into a generator's state: nothing
// is carried from step to step.
func newStream(seed, purpose uint64, step, index int) *stream {
	a := mix(seed ^ mix(purpose))
	a = mix(a ^ uint64(step))
	a = mix(a ^ uint64(index))
	s := streams.Get().(*stream)
	s.pcg.Seed(a, mix(a+0x9e3779b97f4a7c15))
	return s
}

// mix is the finaliser of SplitMix64 (Steele, Lea & Flood 2014), a bijection
// in which every input bit reaches every output bit.
func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
