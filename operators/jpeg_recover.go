package operators

import (
	"fmt"
	"math"
)

// Recover writes to y the coefficients of plane c that a JPEG file holds, from
// what a decoder made of them: samples of 8 bits, sample (i,j) at
// samples[i*stride+j], in whole blocks as Samples says.
//
// A decoder rounds and clips the inverse cosine transform of multiples of the
// steps; so the transform of its samples, rounded to multiples, gives them back.
// Rounding the samples adds 0.3 of a level to a coefficient, which matters only
// at steps of 1, where it is no more than that. Clipping takes more away: where
// it does, the clipped samples are replaced by what the coefficients found so
// far give beyond the range, and the block is transformed again, a few times.
func (a *JPEG) Recover(y []float32, c int, samples []byte, stride int) {
	checkLen("JPEG.Recover y", len(y), a.n)
	p := &a.planes[c]
	if stride < p.w || len(samples) < (p.h-1)*stride+p.w {
		panic(fmt.Sprintf("operators: JPEG.Recover: %d samples in lines of %d, want %d of %d", len(samples), stride, p.h, p.w))
	}
	at := p.at
	for i := 0; i < p.h; i += 8 {
		for j := 0; j < p.w; j += 8 {
			dst := y[at : at+64]
			p.recoverBlock(dst, samples[i*stride+j:], stride)
			for k, q := range p.Step {
				dst[k] *= float32(q) / 255
			}
			dst[0] += float32(p.middle)
			at += 64
		}
	}
}

// Samples is the size of plane c in whole blocks.
func (a *JPEG) Samples(c int) (h, w int) { return a.planes[c].h, a.planes[c].w }

// recoverBlock writes the multiples of one block.
func (p *jpegPlane) recoverBlock(k []float32, samples []byte, stride int) {
	var b, back, f [64]float32
	clipped := false
	for i := range 8 {
		for j, s := range samples[i*stride:][:8] {
			b[8*i+j] = float32(s) - 128
			clipped = clipped || s == 0 || s == 255
		}
	}
	for try := 0; ; try++ {
		blockCosines(f[:], b[:])
		for i, q := range p.Step {
			k[i] = float32(math.Round(float64(f[i]) / float64(q)))
			f[i] = k[i] * float32(q)
		}
		if !clipped || try == 10 {
			return
		}
		blockInverse(back[:], f[:])
		done := true
		for i := range 8 {
			for j, s := range samples[i*stride:][:8] {
				v := back[8*i+j]
				switch {
				case s == 0:
					v = min(v, -128)
				case s == 255:
					v = max(v, 127)
				default:
					if math.Abs(float64(v)-(float64(s)-128)) > 1 {
						done = false
					}
					v = float32(s) - 128
				}
				if s == 0 && back[8*i+j] > -127 || s == 255 && back[8*i+j] < 126 {
					done = false
				}
				b[8*i+j] = v
			}
		}
		if done {
			return
		}
	}
}
