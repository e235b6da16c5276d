package restore

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/lpn-imaging/lpn/operators"
)

// This file tells, without the truth, whether denoising has brought an image closer
// to it.

// helped reports whether the result x of denoising y is closer to the image than y
// is, as far as can be told.
func (p *Plan) helped(y operators.Image, x []float32, minimise minimiser) (bool, error) {
	smooth, rough := taken(y, x)
	if p.correlated() {
		return rough <= mostUneven*mostUneven*smooth, nil
	}
	n, err := p.nearer(y, x, smooth, minimise)
	return n > 0, err
}

// nearer estimates by how much the denoised image x is nearer to the image u than the
// measurement y = u + n is, n of N samples white with the variance v:
//
//	||y - u||^2 - ||x - u||^2  ~  2 v (N - tr J) - ||y - x||^2,
//
// J the derivative of x by y (Stein 1981, for the difference of the two risks). With a
// random b like n, v N is about <b,b> and v tr J about <b, x(y + e b) - x(y)>/e
// (Ramani, Blu & Unser 2008).
//
// If there is less noise than was estimated, less is won. It is taken from smooth
// parts nearly as it is, so it is no stronger than what was taken there, smooth a
// sample.
func (p *Plan) nearer(y operators.Image, x []float32, smooth float64, minimise minimiser) (float64, error) {
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
		return 0, err
	}
	var won, energy, lost float64
	for i, v := range b {
		d := float64(y.Pix[i]) - float64(x[i])
		energy += float64(v) * float64(v)
		won += 2 * float64(v) * (float64(v) - (float64(r.X[i])-float64(x[i]))/e)
		lost += d * d
	}
	won *= min(1, certain*smooth*float64(len(b))/max(energy, math.SmallestNonzeroFloat64))
	return won - lost, nil
}

// certain is the variance of white noise over that of what is taken from smooth parts.
const certain = 1.1

// mostUneven is how unevenly correlated noise may be taken, as a ratio of root mean
// squares of the roughest and the smoothest quarter: in simulated camera images
// that were restored well it was 1.01 to 1.25, in those that came out worse than they
// were 1.33 to 1.71.
const mostUneven = 1.28

// taken is the mean square of what was taken from the smoothest and from the roughest
// quarter of an image's 8x8 blocks; of an image of few blocks, from all of it. x is
// the result. Noise that does not depend on the place is taken evenly, or less where
// it is rough.
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
