package restore

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/floats"

	"github.com/lpn-imaging/lpn/internal/kernel"
)

// This file tells whether numbers are a measurement of their operator at all. Fewer numbers
// than pixels fit any operator: something is always found that explains them.

// unrelated is why the numbers of a random sensing can hardly be those of any picture by
// this operator, "" where they may be. A picture has most of what it is at low frequencies. So its numbers
// have much in common with those of a flat scene and of a few slow waves; where the
// numbers themselves belong to frequencies, as those of kind=fourier do, they are large where those
// of other pictures are large. By another seed or kind, both are as much as
// by chance.
func (p *Plan) unrelated() string {
	if !p.policy.sensing || p.a == nil || len(p.problem.Y.Pix) < fewestSensed {
		return ""
	}
	y := p.asMeasured()
	energy := kernel.Dot(y, y) / float64(len(y))
	if energy < 1.3*p.level()*p.level() {
		return "" // hardly more than noise
	}
	expected := p.expectedPower()
	if logs := logarithms(expected); floats.Norm(logs, 2) < unevenPower*math.Sqrt(float64(len(logs))) {
		flat, slow, waves, numbers := p.shared(y)
		if n := float64(numbers); n*flat > chance(1) || n*slow > chance(waves) {
			return ""
		}
	} else if p.loud(y) < fewLoud || powersAgree(y, expected, p.a.Codomain().C) > mostAlike {
		return ""
	}
	return fmt.Sprintf("the numbers have nothing in common with what %s makes of pictures: its seed, kind or ratio, or the order of the numbers, is another", p.Operator)
}

const (
	// fewestSensed is the number of numbers below which nothing is concluded.
	fewestSensed = 128
	// unevenPower is the deviation of the logarithms of the power that is expected of each number
	// from which they are taken to be of different frequencies. It is about 0.3, by the number of sensedScenes,
	// where all are alike.
	unevenPower = 0.7
	// fewLoud is the part of the numbers that must be more than noise for their powers to
	// be compared. Of stripes there are next to none.
	fewLoud = 0.1
	// sensedScenes is the number of random scenes that the expected power is the mean of.
	sensedScenes = 24
	// mostByChance is how many standard deviations what is shared may be above its mean
	// by chance.
	mostByChance = 5
	// mostAlike is the same for powers, of which faint pictures in much noise have little
	// more: by right operators 5 at least but there, by others up to 2.
	mostAlike = 3
	// mostCompared is the most numbers that are compared with slow waves.
	mostCompared = 1 << 15
	// slowest is the number of slow waves along each side.
	slowest = 4
)

// chance is the most of the sum of n squares of normal numbers of variance 1.
func chance(n int) float64 {
	return float64(n) + mostByChance*math.Sqrt(2*float64(n)) + mostByChance*mostByChance/2
}

// asMeasured is y with the black that it is counted from: black that was found for other
// numbers is itself what they are not.
func (p *Plan) asMeasured() []float32 {
	y := slices.Clone(p.problem.Y.Pix)
	if p.Range.Lo == 0 {
		return y
	}
	flat, black := make([]float32, p.a.Domain().Len()), make([]float32, len(y))
	for i := range flat {
		flat[i] = float32(p.Range.Lo / p.Range.span())
	}
	p.a.Apply(black, flat)
	kernel.Axpy(y, 1, black)
	return y
}

// loud is the part of the numbers that are more than three times the noise.
func (p *Plan) loud(y []float32) float64 {
	n := 0
	for _, v := range y {
		if math.Abs(float64(v)) > 3*p.level() {
			n++
		}
	}
	return float64(n) / float64(len(y))
}

// shared is which parts of the energy of so many numbers of y a flat scene explains, and, of the
// rest, n slow waves.
func (p *Plan) shared(y []float32) (flat, slow float64, n, numbers int) {
	s := p.a.Domain()
	some := func(v []float32) []float64 { // some of many numbers tell as much
		step := (len(v) + mostCompared - 1) / mostCompared
		out := make([]float64, 0, len(v)/step+1)
		for i := 0; i < len(v); i += step {
			out = append(out, float64(v[i]))
		}
		return out
	}
	rest := some(y)
	var basis [][]float64 // orthonormal
	x, ax := make([]float32, s.Len()), make([]float32, len(y))
	all := floats.Dot(rest, rest)
	var first, taken, left float64
	for k := range slowest * slowest {
		for c := range s.C {
			clear(x)
			plane := x[c*s.H*s.W : (c+1)*s.H*s.W]
			for i := range plane {
				plane[i] = float32(wave(i/s.W, k/slowest, s.H) * wave(i%s.W, k%slowest, s.W))
			}
			p.a.Apply(ax, x)
			q := some(ax)
			before := floats.Dot(q, q)
			for range 2 { // again, for what rounding left
				for _, b := range basis {
					floats.AddScaled(q, -floats.Dot(b, q), b)
				}
			}
			after := floats.Dot(q, q)
			if after <= 1e-6*before {
				continue
			}
			floats.Scale(1/math.Sqrt(after), q)
			basis = append(basis, q)
			d := floats.Dot(q, rest)
			floats.AddScaled(rest, -d, q)
			if k == 0 {
				first += d * d
			} else {
				taken += d * d
				n++
			}
		}
		if k == 0 {
			left = floats.Dot(rest, rest)
		}
	}
	return first / all, taken / max(left, math.SmallestNonzeroFloat64), n, len(rest)
}

// wave is wave k of the cosine transform of n samples.
func wave(i, k, n int) float64 {
	return math.Cos(math.Pi * (float64(i) + 0.5) * float64(k) / float64(n))
}

// expectedPower is the mean square of each number of a measurement of scenes whose power falls
// with the square of the frequency, as that of pictures does (Field 1987).
func (p *Plan) expectedPower() []float64 {
	s := p.a.Domain()
	fft, half := kernel.NewFFT2(s.H, s.W), s.W/2+1
	freq := make([]complex64, s.H*half)
	x, ax := make([]float32, s.Len()), make([]float32, len(p.problem.Y.Pix))
	power := make([]float64, len(ax))
	rng := rand.New(rand.NewPCG(0, 0x73656e7365))
	for range sensedScenes {
		for c := range s.C {
			plane := x[c*s.H*s.W : (c+1)*s.H*s.W]
			for i := range plane {
				plane[i] = float32(rng.NormFloat64())
			}
			fft.Forward(freq, plane)
			for i := range freq {
				u, v := float64(min(i/half, s.H-i/half))/float64(s.H), float64(i%half)/float64(s.W)
				f := max(math.Hypot(u, v), 1/float64(max(s.H, s.W)))
				freq[i] *= complex(float32(1/f), 0)
			}
			fft.Inverse(plane, freq)
		}
		p.a.Apply(ax, x)
		for i, v := range ax {
			power[i] += float64(v) * float64(v)
		}
	}
	return power
}

// logarithms are those of positive numbers, less their mean; of zeros, that of next to nothing.
func logarithms(v []float64) []float64 {
	out, mean := make([]float64, len(v)), 0.0
	for i, x := range v {
		out[i] = math.Log(max(x, 1e-30))
		mean += out[i] / float64(len(v))
	}
	for i := range out {
		out[i] -= mean
	}
	return out
}

// powersAgree is how many standard deviations the correlation of the logarithms of the power of
// y with those of the expected power is above that by chance, for c channels whose numbers come in pairs.
// What both owe to the order of the numbers, of which the first tend to be low frequencies by
// any seed, does not count.
func powersAgree(y []float32, expected []float64, c int) float64 {
	squares := make([]float64, len(y))
	for i, v := range y {
		squares[i] = float64(v) * float64(v)
	}
	place := make([]float64, len(y)) // in the channel
	for i := range place {
		place[i] = float64(1 + i%(len(y)/c))
	}
	a, b, order := logarithms(squares), logarithms(expected), logarithms(place)
	linear := make([]float64, len(y))
	mean := float64(1+len(y)/c) / 2
	for i, v := range place {
		linear[i] = v - mean
	}
	without := func(v, u []float64) {
		k := floats.Dot(v, u) / max(floats.Dot(u, u), math.SmallestNonzeroFloat64)
		floats.AddScaled(v, -k, u)
	}
	without(linear, order)
	for _, v := range [][]float64{a, b} {
		without(v, order)
		without(v, linear)
	}
	r := floats.Dot(a, b) / max(floats.Norm(a, 2)*floats.Norm(b, 2), math.SmallestNonzeroFloat64)
	return r * math.Sqrt(float64(len(y)/c)/2)
}
