package imageio

import "math"

// ResizeAlpha interpolates opacity of h x w pixels to h2 x w2 by cubic
// convolution (Keys 1981, a = -1/2), pixels taken for squares whose edges stay
// where they are: pixel x of the result is centred at (x + 1/2) w/w2 - 1/2. The
// kernel is widened where the picture shrinks, and what of it lies outside the
// picture is left out. alpha may be nil.
func ResizeAlpha(alpha []uint16, h, w, h2, w2 int) []uint16 {
	if alpha == nil || h == h2 && w == w2 {
		return alpha
	}
	across := make([]float64, h*w2)
	for x, t := range taps(w, w2) {
		for y := range h {
			for _, k := range t {
				across[y*w2+x] += k.weight * float64(alpha[y*w+k.at])
			}
		}
	}
	out := make([]uint16, h2*w2)
	for y, t := range taps(h, h2) {
		for x := range w2 {
			sum := 0.0
			for _, k := range t {
				sum += k.weight * across[k.at*w2+x]
			}
			out[y*w2+x] = uint16(min(max(math.Round(sum), 0), 65535))
		}
	}
	return out
}

// A tap is a sample and its weight.
type tap struct {
	at     int
	weight float64
}

// taps are the samples of n that each of n2 is made of.
func taps(n, n2 int) [][]tap {
	step := float64(n) / float64(n2)
	wide := max(step, 1)
	out := make([][]tap, n2)
	for i := range out {
		centre := (float64(i)+0.5)*step - 0.5
		sum := 0.0
		for k := max(int(math.Ceil(centre-2*wide)), 0); k <= min(int(math.Floor(centre+2*wide)), n-1); k++ {
			v := cubic((float64(k) - centre) / wide)
			out[i] = append(out[i], tap{k, v})
			sum += v
		}
		for k := range out[i] {
			out[i][k].weight /= sum
		}
	}
	return out
}

func cubic(x float64) float64 {
	const a = -0.5
	switch x = math.Abs(x); {
	case x < 1:
		return ((a+2)*x-(a+3))*x*x + 1
	case x < 2:
		return ((a*x-5*a)*x+8*a)*x - 4*a
	}
	return 0
}
