package restore

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/lpn-imaging/lpn/solvers"
)

// This file tells, without the truth, whether denoising has brought an image closer
// to it.

// helped reports whether the result x of denoising y is nearer to the image than y
// is, as far as can be told.
func (p *Plan) helped(ctx context.Context, y operators.Image, x []float32, minimise minimiser) (bool, error) {
	if q := p.onSample(y.Shape); q != nil {
		x = sample(operators.Image{Shape: y.Shape, Pix: x}).Pix
		p, y, minimise = q, sample(y), func(p *Plan, y operators.Image) (solvers.Result, error) {
			return p.minimise(ctx, p.a, y, p.psi, nil, func(solvers.Iterate) {})
		}
	}
	smooth, rough := taken(y, x)
	if most := p.mostUneven(); p.patterned && rough > most*most*smooth {
		return false, nil
	}
	won, lost, variance, err := p.nearer(y, x, minimise)
	if err != nil {
		return false, err
	}
	// White noise is no stronger than what was taken from smooth parts.
	factor := min(1, certain*smooth/variance)
	if p.correlated() {
		factor = p.missed()
	}
	return factor*won > lost, nil
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
// than 1 where there is plenty of it, which is clipped in the dark. Fitted on simulated
// camera images.
func (p *Plan) missed() float64 {
	return 1 + 0.4*min(max((255*p.deviation-10.8)/1.2, 0), 1)
}

// A sample of a large image is sampleSquares x sampleSquares squares from places evenly
// spread over it, side by side. What is estimated from its million pixels is as sure.
const sampleSquare, sampleSquares = 256, 4

// onSample is the plan for the sample of an image of shape s, nil where the whole of it
// is to be taken: because it is small, or the noise is not white.
func (p *Plan) onSample(s operators.Shape) *Plan {
	const side = sampleSquare * sampleSquares
	if !stationary(p.model()) || min(s.H, s.W) < side || s.H*s.W < 4*side*side || !p.policy.alone {
		return nil
	}
	q := *p
	q.Memory.arena = 48 << 20 // beside that of the image
	small := operators.Shape{C: s.C, H: side, W: side}
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

// sample is the sample of an image.
func sample(m operators.Image) operators.Image {
	const side = sampleSquare * sampleSquares
	out := operators.NewImage(operators.Shape{C: m.C, H: side, W: side})
	for c := range m.C {
		for r := range side {
			y := r/sampleSquare*(m.H-sampleSquare)/(sampleSquares-1) + r%sampleSquare
			for k := range sampleSquares {
				x := k * (m.W - sampleSquare) / (sampleSquares - 1)
				copy(out.Plane(c)[r*side+k*sampleSquare:][:sampleSquare], m.Plane(c)[y*m.W+x:])
			}
		}
	}
	return out
}

// nearer estimates by how much the denoised image x is nearer to the image u than the
// measurement y = u + n is, n Gaussian noise of the covariance C:
//
//	||y - u||^2 - ||x - u||^2  ~  won - lost,  won = 2 (tr C - tr J C),  lost = ||y - x||^2,
//
// J the derivative of x by y (Stein 1981, for the difference of the two risks). With a
// random b like n, tr C is about <b,b> and tr J C about <b, x(y + e b) - x(y)>/e
// (Ramani, Blu & Unser 2008). If the noise has another variance than was estimated, won
// changes in proportion. variance is the estimated one, tr C a sample.
func (p *Plan) nearer(y operators.Image, x []float32, minimise minimiser) (won, lost, variance float64, err error) {
	const e = 0.3
	b := make([]float32, y.Len())
	p.model().Sample(b, y.Pix, y.Shape, rand.New(rand.NewPCG(1, 0x737465696e)))
	moved := operators.NewImage(y.Shape)
	for i, v := range y.Pix {
		b[i] -= v
		moved.Pix[i] = v + e*b[i]
	}
	r, err := minimise(p, moved)
	if err != nil {
		return 0, 0, 0, err
	}
	for i, n := range b {
		d, n := float64(y.Pix[i])-float64(x[i]), float64(n)
		won += 2 * n * (n - (float64(r.X[i])-float64(x[i]))/e)
		lost += d * d
		variance += n * n
	}
	return won, lost, max(variance/float64(len(b)), math.SmallestNonzeroFloat64), nil
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
// quarter of an image's 8x8 blocks; of an image of few blocks, from all of it. x is the
// result. Noise that does not depend on the place is taken evenly, or less where it is
// rough. Where a quarter is flat, as the air of a CT slice is, that speaks against noise
// everywhere.
func taken(y operators.Image, x []float32) (smooth, rough float64) {
	const side, fewest = 8, 16
	type block struct{ texture, taken float64 }
	var blocks []block
	for r := 0; r+side <= y.H; r += side {
		for c := 0; c+side <= y.W; c += side {
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
	if len(blocks) < fewest {
		sum := 0.0
		for i, v := range x {
			d := float64(y.Pix[i]) - float64(v)
			sum += d * d
		}
		return sum / float64(len(x)), sum / float64(len(x))
	}
	slices.SortFunc(blocks, func(a, b block) int { return cmp.Compare(a.texture, b.texture) })
	n := len(blocks) / 4
	for i := range n {
		smooth += blocks[i].taken / float64(n)
		rough += blocks[len(blocks)-1-i].taken / float64(n)
	}
	return smooth, rough
}
