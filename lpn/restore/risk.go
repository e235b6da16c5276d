package restore

import (
	"cmp"
	"context"
	"fmt"
	"image"
	"iter"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/lpn-imaging/lpn/solvers"
)

// This file tells, without the truth, whether denoising has brought an image closer
// to it.

// A denoised is a noisy image y and the result x of denoising it. What is looked at lies in inner, without a frame.
type denoised struct {
	y     operators.Image
	x     []float32
	inner image.Rectangle
}

// whole is a noisy image and its result, looked at as a whole.
func whole(y operators.Image, x []float32) denoised {
	return denoised{y, x, image.Rect(0, 0, y.W, y.H)}
}

// unframed is the part of an image y within bars or a frame around it: lines at its edges whose samples are all equal, where
// the next line is picture nearly from end to end, as it is not where air surrounds a body.
func unframed(y operators.Image) image.Rectangle {
	const picture = 0.8 // of the samples of a line
	all := image.Rect(0, 0, y.W, y.H)
	r := all
	// other is the share of n samples, from at on and step apart, that are not as the first.
	other := func(at, step, n int) float64 {
		count := 0
		for i := range n {
			for c := range y.C {
				if plane := y.Plane(c); plane[at+i*step] != plane[at] {
					count++
					break
				}
			}
		}
		return float64(count) / float64(n)
	}
	row := func(i int) float64 { return other(i*y.W+r.Min.X, 1, r.Dx()) }
	column := func(j int) float64 { return other(r.Min.Y*y.W+j, y.W, r.Dy()) }
	for ; !r.Empty() && row(r.Min.Y) == 0; r.Min.Y++ {
	}
	for ; !r.Empty() && row(r.Max.Y-1) == 0; r.Max.Y-- {
	}
	for ; !r.Empty() && column(r.Min.X) == 0; r.Min.X++ {
	}
	for ; !r.Empty() && column(r.Max.X-1) == 0; r.Max.X-- {
	}
	if r == all || r.Empty() {
		return all
	}
	if row(r.Min.Y) < picture || row(r.Max.Y-1) < picture || column(r.Min.X) < picture || column(r.Max.X-1) < picture {
		return all
	}
	return r
}

// helped reports whether the result x of denoising y is nearer to the image than y
// is, as far as can be told.
func (p *Plan) helped(ctx context.Context, y operators.Image, x []float32, minimise minimiser) (bool, error) {
	m := denoised{y, x, unframed(y)}
	parts := slices.Values([]denoised{m})
	if q := p.onSample(operators.Shape{C: y.C, H: m.inner.Dy(), W: m.inner.Dx()}); q != nil {
		parts = sample(m)
		p, minimise = q, func(p *Plan, y operators.Image) (solvers.Result, error) {
			return p.minimise(ctx, p.a, y, p.psi, nil, func(solvers.Iterate) {})
		}
	}
	smooth, rough := taken(parts)
	if most := p.mostUneven(); p.patterned && rough > most*most*smooth {
		return false, nil
	}
	// White noise is no stronger than what was taken from smooth parts.
	factor := func(variance float64) float64 {
		if p.correlated() {
			return p.missed()
		}
		return min(1, certain*smooth/variance)
	}
	won, lost, variance, err := p.nearer(parts, minimise, func(quarters []balance, variance float64) bool {
		return gained(quarters, factor(variance))
	})
	if err != nil {
		return false, err
	}
	return factor(variance)*won > lost, nil
}

// A balance is what a part of an image speaks for its result, and against it: see nearer.
type balance struct{ won, lost float64 }

// surely is how many standard errors a mean must be from 0 for the rest of a sample not to
// be looked at. Of four quarters this asks that the one that gains least gains a third of what the
// others do.
const surely = 5

// gained reports whether a part of a sample leaves no doubt that an image has gained: by
// the standard error of the mean gain, which its quarters, from places far apart, show.
func gained(quarters []balance, factor float64) bool {
	n, sum, square := float64(len(quarters)), 0.0, 0.0
	for _, q := range quarters {
		gain := factor*q.won - q.lost
		sum, square = sum+gain, square+gain*gain
	}
	mean := sum / n
	return mean > surely*math.Sqrt(max(square/n-mean*mean, 0)/(n-1))
}

// leastTaken is the root mean square of what is worth taking from an image as correlated
// noise. Less cannot be seen, nor told from the texture of a clean photograph.
const leastTaken = 1.5 / 255

// faint reports whether the result x of removing correlated noise hardly changes the image.
func (p *Plan) faint(x []float32) bool {
	if !p.correlated() {
		return false
	}
	back := make([]float32, len(x))
	p.treatment.Back(back, x)
	sum := 0.0
	for i, v := range back {
		d := float64(v) - float64(p.untreated.Pix[i])
		sum += d * d
	}
	return sum < leastTaken*leastTaken*float64(len(x))
}

// certain is the variance of white noise over that of what is taken from smooth parts,
// from which it is taken nearly as it is.
const certain = 1.1

// missed is what the variance of correlated noise is over that of its estimate: more
// than 1 where there is plenty of it, which is clipped in the dark, or where it is surely that of
// a sensor. Fitted on simulated camera images.
func (p *Plan) missed() float64 {
	return 1 + 0.4*max(min(max((255*p.deviation-10.8)/1.2, 0), 1), p.sensor)
}

// A sample of a large image is sampleSquares x sampleSquares squares from places evenly
// spread over it. What is estimated from its million pixels is as sure. It comes in
// sampleSquares images of a square of every row and column of places each, two beside two,
// one after the other, which takes little memory.
const sampleSquare, sampleSquares = 256, 4

// onSample is the plan for an image of the sample of an image of shape s, nil where the
// whole of it is to be taken: because it is small, or the noise is not white.
func (p *Plan) onSample(s operators.Shape) *Plan {
	const side = sampleSquare * sampleSquares
	if !stationary(p.model()) || min(s.H, s.W) < side || s.H*s.W < 4*side*side || !p.policy.alone {
		return nil
	}
	q := *p
	q.Memory.arena = 48 << 20 // beside that of the image
	small := operators.Shape{C: s.C, H: 2 * sampleSquare, W: 2 * sampleSquare}
	psi, err := q.potential(small)
	if err != nil {
		return nil
	}
	q.psi, q.a = psi, operators.NewIdentity(small)
	return &q
}

// stationary reports whether noise is the same everywhere: white, or of one deviation a
// channel, as on the scale of a treatment, and then perhaps correlated.
func stationary(m noise.Model) bool {
	if c, ok := m.(noise.Correlated); ok {
		m = c.Model
	}
	if c, ok := m.(noise.Curve); ok {
		return !slices.ContainsFunc(c.Channels, func(l noise.Line) bool { return len(l.X) > 1 })
	}
	return white(m)
}

// sample is the sample of an image. Each part of it takes the memory of the one before.
func sample(m denoised) iter.Seq[denoised] {
	const side = 2 * sampleSquare
	shape := operators.Shape{C: m.y.C, H: side, W: side}
	from, within := m.inner.Min, m.inner.Size()
	of := func(out, m operators.Image, k int) {
		for i := range sampleSquares {
			y := from.Y + i*(within.Y-sampleSquare)/(sampleSquares-1)
			x := from.X + (i+k)%sampleSquares*(within.X-sampleSquare)/(sampleSquares-1)
			for c := range m.C {
				for r := range sampleSquare {
					at := (i/2*sampleSquare+r)*side + i%2*sampleSquare
					copy(out.Plane(c)[at:][:sampleSquare], m.Plane(c)[(y+r)*m.W+x:])
				}
			}
		}
	}
	return func(yield func(denoised) bool) {
		y, x := operators.NewImage(shape), operators.NewImage(shape)
		for k := range sampleSquares {
			of(y, m.y, k)
			of(x, operators.Image{Shape: m.y.Shape, Pix: m.x}, k)
			if !yield(whole(y, x.Pix)) {
				return
			}
		}
	}
}

// nearer estimates by how much the denoised image x is nearer to the image u than the
// measurement y = u + n is, n Gaussian noise of the covariance C:
//
//	||y - u||^2 - ||x - u||^2  ~  won - lost,  won = 2 (tr C - tr J C),  lost = ||y - x||^2,
//
// J the derivative of x by y (Stein 1981, for the difference of the two risks). With a
// random b like n, tr C is about <b,b> and tr J C about <b, x(y + e b) - x(y)>/e
// (Ramani, Blu & Unser 2008). If the noise has another variance than was estimated, won
// changes in proportion. variance is the estimated one, tr C a sample. The sums go over
// the parts, which are of one shape, until enough says that those of all quarters so far,
// four a part, are enough.
func (p *Plan) nearer(parts iter.Seq[denoised], minimise minimiser, enough func(quarters []balance, variance float64) bool) (won, lost, variance float64, err error) {
	const e = 0.3
	samples, stream := 0, uint64(0)
	var b []float32
	var moved operators.Image
	var quarters []balance
	squares := 0.0 // of b
	for part := range parts {
		y, x := part.y, part.x
		if b == nil {
			b, moved = make([]float32, y.Len()), operators.NewImage(y.Shape)
		}
		stream++
		p.model().Sample(b, y.Pix, y.Shape, rand.New(rand.NewPCG(stream, 0x737465696e)))
		for i, v := range y.Pix {
			b[i] -= v
			moved.Pix[i] = v + e*b[i]
		}
		r, err := minimise(p, moved)
		if err != nil {
			return 0, 0, 0, err
		}
		var q [4]balance
		for row := range y.C * y.H {
			in := part.inner
			if r := row % y.H; r < in.Min.Y || r >= in.Max.Y {
				continue
			}
			for half := range 2 {
				at := &q[(row%y.H-in.Min.Y)/((in.Dy()+1)/2)*2+half]
				for i := row*y.W + in.Min.X + half*in.Dx()/2; i < row*y.W+in.Min.X+(half+1)*in.Dx()/2; i++ {
					d, n := float64(y.Pix[i])-float64(x[i]), float64(b[i])
					at.won += 2 * n * (n - (float64(r.X[i])-float64(x[i]))/e)
					at.lost += d * d
					squares += n * n
				}
			}
		}
		samples += y.C * part.inner.Dx() * part.inner.Dy()
		for _, v := range q {
			won, lost = won+v.won, lost+v.lost
		}
		quarters = append(quarters, q[:]...)
		variance = max(squares/float64(samples), math.SmallestNonzeroFloat64)
		if enough(quarters, variance) {
			break
		}
	}
	return won, lost, variance, nil
}

// mostUneven is how unevenly correlated noise may be taken, as a ratio of root mean
// squares of the roughest and the smoothest quarter. In simulated camera images of two
// kinds of demosaicking that came out nearer to the truth it was up to 1.55, in those that
// did not, and that Stein's estimate does not refuse, 1.6 and more. Little noise may be
// the texture of a clean photograph, of which more than 1.28 is not believed.
func (p *Plan) mostUneven() float64 {
	return 1.28 + 0.3*min(max((255*p.deviation-3.5)/1.5, 0), 1)
}

// taken is the mean square of what was taken from the smoothest and from the roughest
// quarter of the 8x8 blocks of images of one shape; of images of few blocks, from all of
// it. Noise that does not depend on the place is taken evenly, or less where it is
// rough. Where a quarter is flat, as the air of a CT slice is, that speaks against noise
// everywhere.
func taken(parts iter.Seq[denoised]) (smooth, rough float64) {
	const side, fewest = 8, 16
	type block struct{ texture, taken float64 }
	var blocks []block
	for p := range parts {
		y, x := p.y, p.x
		for r := p.inner.Min.Y; r+side <= p.inner.Max.Y; r += side {
			for c := p.inner.Min.X; c+side <= p.inner.Max.X; c += side {
				var b block
				for k := range y.C {
					var sum, square float64
					for i := range side * side {
						at := (k*y.H+r+i/side)*y.W + c + i%side
						v, d := float64(x[at]), float64(y.Pix[at])-float64(x[at])
						sum, square = sum+v, square+v*v
						b.taken += d * d
					}
					b.texture += square - sum*sum/(side*side)
				}
				b.taken /= float64(y.C * side * side)
				blocks = append(blocks, b)
			}
		}
	}
	if len(blocks) < fewest {
		sum, n := 0.0, 0
		for p := range parts {
			for i, v := range p.x {
				d := float64(p.y.Pix[i]) - float64(v)
				sum += d * d
			}
			n += len(p.x)
		}
		return sum / float64(n), sum / float64(n)
	}
	slices.SortFunc(blocks, func(a, b block) int { return cmp.Compare(a.texture, b.texture) })
	n := len(blocks) / 4
	for i := range n {
		smooth += blocks[i].taken / float64(n)
		rough += blocks[len(blocks)-1-i].taken / float64(n)
	}
	return smooth, rough
}

// compare looks whether an image shows the level of white noise that was given. If it shows less than 0.8 of that, detail
// would go with the noise. Then, where the estimate is sure, the image is taken to have what it shows; but less than a
// quarter is no error of measuring, and so much smoothing is meant. Noise is not looked for in JPEG files, which drop
// the frequencies that show it.
func (p *Plan) compare() {
	const side, small, least, meant = 1024, 64, 0.8, 0.25
	y := p.problem.Y
	if min(y.H, y.W) < small { // hardly a part to measure it by
		return
	}
	if !p.policy.alone || p.Estimated || !white(p.NoiseModel) || p.problem.Hints.Quality != 0 {
		return
	}
	middle := Centre(p.known(), min(y.H, side), min(y.W, side))
	seen := noise.FindWhite(middle)
	if seen > least*p.Level {
		return
	}
	p.shown, p.told = seen, p.Level
	if !p.gentle || p.problem.Missing != nil {
		return
	}
	e := noise.Find(middle, p.problem.Hints)
	if e.Deviation >= leastNoise && e.Deviation < least*p.told && e.Deviation > meant*p.told && !e.Doubtful() && white(e.Model) {
		p.treat(e.Treat(y))
		p.NoiseLine = fmt.Sprintf("noise %.2g, as the picture shows", e.Deviation*p.Range.span())
	}
}

// overstated is a remark on a level of noise that was given and is much more than the image shows, "" where none was.
func (p *Plan) overstated() string {
	if p.told == 0 {
		return ""
	}
	unit := p.Range.span()
	shows := "hardly any noise"
	if p.shown > quantum {
		shows = fmt.Sprintf("noise of about %.2g", p.shown*unit)
	}
	does := "detail may go with it"
	switch {
	case p.Level == 0:
		does = "left as it is, as detail would go with it"
	case p.Level < p.told:
		does = fmt.Sprintf("denoised for %.2g (--strength 1: for all of it)", p.Level*unit)
	}
	return fmt.Sprintf("the picture shows %s, not the %.2g that was given: %s", shows, p.told*unit, does)
}
