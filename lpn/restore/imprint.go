package restore

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
)

// This file asks the spectrum of a picture whether a blur that was given is its own. With little
// noise a wrong kernel explains the measurement as well as the right one: the residual is
// noise, and the scene full of the waves that the kernel hides. But a blur multiplies the power of the scene
// by |K|^2, whose valleys the scene does not have:
//
//	P(f) = S(f) |K(f)|^2 + noise,
//
// S smooth. A kernel that is not that of the picture puts valleys where the picture has none, and makes
// a scene with hills there.

// A grid is the frequencies of tiles of n x n pixels at which spectra are looked at, with the
// smooth functions that a scene's log power is made of: per frequency the powers 0 to 3 of the
// log of its radius, and cosine and sine of twice and four times its direction, constant and times
// that log.
type grid struct {
	n     int
	at    []int // of the frequencies, in a half spectrum of n x (n/2+1)
	terms [][smoothTerms]float64
}

const smoothTerms = 12

func newGrid(n int) grid {
	g := grid{n: n}
	for u := range n {
		for v := range n/2 + 1 {
			fy, fx := float64(u), float64(v)
			if u > n/2 {
				fy -= float64(n)
			}
			r := math.Hypot(fy, fx) / float64(n)
			if r < 2.5/float64(n) || r > 0.48 || v == 0 && fy < 0 {
				continue
			}
			l, angle := math.Log(r/0.15)/1.2, math.Atan2(fy, fx)
			t := [smoothTerms]float64{1, l, l * l, l * l * l}
			for i, k := range []float64{2, 4} {
				c, s := math.Cos(k*angle), math.Sin(k*angle)
				t[4+4*i], t[5+4*i], t[6+4*i], t[7+4*i] = c, s, l*c, l*s
			}
			g.at, g.terms = append(g.at, u*(n/2+1)+v), append(g.terms, t)
		}
	}
	return g
}

// powers is the mean power of an image at the frequencies of the grid, by half overlapping tiles
// through a Hann window (Welch 1967): sigma^2 for white noise. Tiles of which more than a
// hundredth is at 0 or 1 are left out where clipped says so, and of many tiles some. It is nil where
// none is left.
func (g grid) powers(y operators.Image, clipped bool) []float64 {
	const mostTiles = 400
	n, half := g.n, g.n/2+1
	if y.H < n || y.W < n {
		return nil
	}
	window := hann(n)
	energy := 0.0
	for _, v := range window {
		energy += float64(v) * float64(v)
	}
	down, across := (2*y.H-1)/n, (2*y.W-1)/n
	place := func(i, tiles, length int) int { // tiles from end to end
		return i * (length - n) / max(tiles-1, 1)
	}
	all := y.C * down * across
	every := (all + mostTiles - 1) / mostTiles
	fft, pix, freq := kernel.NewFFT2(n, n), make([]float32, n*n), make([]complex64, n*half)
	sum, count := make([]float64, len(g.at)), 0
	for t := 0; t < all; t += every {
		plane := y.Plane(t / (down * across))
		top, left := place(t/across%down, down, y.H), place(t%across, across, y.W)
		mean, ends := 0.0, 0
		for i := range n {
			row := plane[(top+i)*y.W+left:][:n]
			copy(pix[i*n:], row)
			for _, v := range row {
				mean += float64(v)
				if v <= 0 || v >= 1 {
					ends++
				}
			}
		}
		if clipped && 100*ends > n*n {
			continue
		}
		mean /= float64(n * n)
		for i := range n {
			row := pix[i*n:][:n]
			for j := range row {
				row[j] = (row[j] - float32(mean)) * window[i] * window[j]
			}
		}
		fft.Forward(freq, pix)
		for i, at := range g.at {
			z := freq[at]
			sum[i] += float64(real(z))*float64(real(z)) + float64(imag(z))*float64(imag(z))
		}
		count++
	}
	if count == 0 {
		return nil
	}
	for i := range sum {
		sum[i] /= float64(count) * energy * energy
	}
	return sum
}

// hann is the Hann window of n samples.
func hann(n int) []float32 {
	w := make([]float32, n)
	for i := range w {
		w[i] = float32(0.5 - 0.5*math.Cos(2*math.Pi*(float64(i)+0.5)/float64(n)))
	}
	return w
}

// gains is |K|^2 at the frequencies of the grid as tiles through the window show it, K the
// transfer function of a blur; nil where it has none, being larger than a tile or not the same
// everywhere.
func (g grid) gains(sp operators.Spec) []float64 {
	n, half := g.n, g.n/2+1
	a, err := sp.WithBoundary(operators.Circular).Build(operators.Shape{C: 1, H: n, W: n})
	if err != nil || a.Codomain() != a.Domain() {
		return nil
	}
	point, k, other := make([]float32, n*n), make([]float32, n*n), make([]float32, n*n)
	point[0] = 1
	a.Apply(k, point)
	const y, x = 29, 17
	point[0], point[y*n+x] = 0, 1
	a.Apply(other, point)
	for i := range n {
		for j := range n {
			if d := other[(i+y)%n*n+(j+x)%n] - k[i*n+j]; d > 1e-4 || d < -1e-4 {
				return nil
			}
		}
	}
	freq := make([]complex64, n*half)
	kernel.NewFFT2(n, n).Forward(freq, k)
	power := func(u, v int) float64 {
		u, v = (u+n)%n, (v+n)%n
		if v >= half {
			u, v = (n-u)%n, n-v
		}
		z := freq[u*half+v]
		return float64(real(z))*float64(real(z)) + float64(imag(z))*float64(imag(z))
	}
	out := make([]float64, len(g.at))
	for i, at := range g.at { // the squares of the window's spectrum: 1/6, 2/3, 1/6 along both axes
		u, v := at/half, at%half
		for du := -1; du <= 1; du++ {
			for dv := -1; dv <= 1; dv++ {
				weight := 4. / 9
				if du != 0 {
					weight /= 4
				}
				if dv != 0 {
					weight /= 4
				}
				out[i] += weight * power(u+du, v+dv)
			}
		}
	}
	return out
}

// outlier is the difference of logarithms from which on a misfit grows linearly.
const outlier = 2

// misfit is how far powers P are from those of a smooth scene S seen with gains K in white noise of power N,
//
//	min over S of sum_f rho(log P - log(S K + N)),
//
// log S a sum of the grid's terms, rho(e) = e^2, and 2 outlier |e| - outlier^2 beyond it.
// Gauss-Newton steps with the weights of rho find it, halved until they help.
func (g grid) misfit(powers, gains []float64, noise float64) float64 {
	at := func(c [smoothTerms]float64, i int) float64 { // log S
		s := 0.0
		for k, t := range g.terms[i] {
			s += c[k] * t
		}
		return min(max(s, -60), 30)
	}
	total := func(c [smoothTerms]float64) float64 {
		sum := 0.0
		for i, p := range powers {
			e := math.Abs(math.Log(p / (math.Exp(at(c, i))*gains[i] + noise)))
			if e < outlier {
				sum += e * e
			} else {
				sum += outlier * (2*e - outlier)
			}
		}
		return sum
	}
	// The start: least squares of log((P - N)/K).
	c := g.least(func(i int) (slope, left, weight float64) {
		return 1, math.Log(max(powers[i]-noise, 0.2*noise)) - math.Log(gains[i]+0.02), 1
	})
	now := total(c)
	for range 25 {
		step := g.least(func(i int) (slope, left, weight float64) {
			m := math.Exp(at(c, i)) * gains[i]
			e := math.Log(powers[i] / (m + noise))
			return m / (m + noise), e, min(1, outlier/max(math.Abs(e), 1e-9))
		})
		before := now
		for share := 1.0; share > 1e-3; share /= 2 {
			next := c
			for k := range next {
				next[k] += share * step[k]
			}
			if f := total(next); f < now {
				c, now = next, f
				break
			}
		}
		if before-now < 1e-4*before {
			break
		}
	}
	return now
}

// least is the c that makes the sum over frequencies of weight (left - slope sum_k c_k terms_k)^2 least.
func (g grid) least(row func(i int) (slope, left, weight float64)) (c [smoothTerms]float64) {
	const n = smoothTerms
	normal, right := make([]float64, n*n), make([]float64, n)
	for i, t := range g.terms {
		slope, left, weight := row(i)
		for k := range t {
			f := weight * slope * t[k]
			right[k] += f * left
			for l := k; l < n; l++ {
				normal[k*n+l] += f * slope * t[l]
			}
		}
	}
	for k := range n {
		normal[k*n+k] += 1e-6
	}
	var cholesky mat.Cholesky
	if cholesky.Factorize(mat.NewSymDense(n, normal)) {
		// The error says only that the matrix is nearly singular: terms that are hardly there.
		_ = cholesky.SolveVecTo(mat.NewVecDense(n, c[:]), mat.NewVecDense(n, right))
	}
	return c
}

// smoothless is values without what the grid's terms explain of them.
func (g grid) smoothless(values []float64) []float64 {
	c := g.least(func(i int) (slope, left, weight float64) { return 1, values[i], 1 })
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = v
		for k, t := range g.terms[i] {
			out[i] -= c[k] * t
		}
	}
	return out
}

// echo is the correlation of the logarithms of the powers of a result with those of the gains of the
// blur that was undone, both without what is smooth. The scene knows nothing of the blur, so by
// the right one it is 0, or above where the noise hides the scene; hills where the blur has valleys
// make it negative.
func (g grid) echo(powers, gains []float64) float64 {
	x, k := make([]float64, len(powers)), make([]float64, len(powers))
	for i, p := range powers {
		x[i], k[i] = math.Log(p+1e-9), math.Log(gains[i]+1e-3)
	}
	x, k = g.smoothless(x), g.smoothless(k)
	var xx, kk, xk float64
	for i := range x {
		xx, kk, xk = xx+x[i]*x[i], kk+k[i]*k[i], xk+x[i]*k[i]
	}
	return xk / max(math.Sqrt(xx*kk), 1e-12)
}

// tileFor is the side of the tiles for the plan's blur: three times its support and 64 at least, half
// as much where the picture is smaller; 0 where the plan undoes no blur that was given, or
// the picture is too small for it.
func (p *Plan) tileFor(s operators.Shape) int {
	if !p.policy.deblurs || p.Blur != nil {
		return 0
	}
	h, w, ok := p.Operator.Support()
	if !ok {
		return 0
	}
	n := 64
	if 3*max(h, w) > n {
		n = 128
	}
	if min(s.H, s.W) < n {
		n /= 2
	}
	if min(s.H, s.W) < n || 2*max(h, w) > n {
		return 0
	}
	return n
}

const (
	// mostForeign is how many times the misfit without a blur that with the blur may be. Of 1,700
	// pictures of 192x192, photographs, scans and drawings, with 17 right kernels and noise of 0.002
	// to 0.03 it was more in eight at most, of four pictures with hardly any detail or blurred
	// before; wrong kernels have up to 5.
	mostForeign = 1.04
	// sureForeign is by how much the misfit must be larger, for each frequency: where noise hides the
	// scene, both are the scatter of the powers.
	sureForeign = 0.005
	// mostForeignLoud is mostForeign where the noise is not white. Then only frequencies count at which
	// the picture has aboveFloor times the power of the loudest of the highest, if they are fewestLoud
	// or more. No right kernel of 300 JPEG files had more than 1.2 times the misfit; of wrong ones nine in ten had.
	mostForeignLoud = 1.2
	aboveFloor      = 8
	fewestLoud      = 100
)

// foreign is why a blur that was given is not that of the picture, "" where nothing
// speaks against it or the strength was asked for.
func (p *Plan) foreign() string {
	y := p.problem.Y
	if !p.free || p.source != nil || y.Shape != (operators.Shape{C: p.Scene.C, H: p.FrameH, W: p.FrameW}) {
		return ""
	}
	n := p.tileFor(y.Shape)
	if n == 0 {
		return ""
	}
	g := newGrid(n)
	gains := g.gains(p.Operator)
	if gains == nil {
		return ""
	}
	level := max(p.level(), quantum)
	coloured := p.problem.Hints.Quality != 0 || !white(p.model())
	// Whether light or numbers were blurred is not always found: either will do.
	auto := p.problem.Light == LightAuto
	if (auto || p.Light == LightNumbers) && !g.against(g.powers(y, p.Saturated), gains, level, coloured) {
		return ""
	}
	if auto || p.Light == LightLinear {
		light := y.Clone()
		solvers.Decode(light.Pix, light.Pix)
		if !g.against(g.powers(light, p.Saturated), gains, level*steepness(y.Pix), coloured) {
			return ""
		}
	}
	return "the picture's spectrum speaks against this blur: the operator is not that of the measurement (blur:auto looks for the one that is)"
}

// steepness is the root mean square of the slope of solvers.Decode at samples: what
// multiplies the deviation of their noise.
func steepness(y []float32) float64 {
	const h = 1e-3
	var around, decoded [2]float32
	sum, n := 0.0, 0.0
	for i := 0; i < len(y); i += len(y)/100_000 + 1 {
		v := y[i]
		around = [2]float32{v - h, v + h}
		solvers.Decode(decoded[:], around[:])
		slope := float64(decoded[1]-decoded[0]) / (2 * h)
		sum, n = sum+slope*slope, n+1
	}
	return math.Sqrt(sum / max(n, 1))
}

// against reports whether powers in noise of a level speak against a blur of some gains; coloured says
// that the noise is not white. No powers speak against nothing.
func (g grid) against(powers, gains []float64, level float64, coloured bool) bool {
	noise, most := level*level, mostForeign
	if coloured && powers != nil {
		noise, most = max(noise, g.floor(powers)), mostForeignLoud
		gains, powers = g.above(aboveFloor*noise, powers, gains)
	}
	if len(powers) < fewestLoud {
		return false
	}
	none := make([]float64, len(gains))
	for i := range none {
		none[i] = 1
	}
	with, without := g.misfit(powers, gains, noise), g.misfit(powers, none, noise)
	return with > most*without && with-without > sureForeign*float64(len(powers))
}

// floor is the power that a twentieth of the highest frequencies exceeds.
func (g grid) floor(powers []float64) float64 {
	var high []float64
	for i, t := range g.terms {
		if t[1] > highest {
			high = append(high, powers[i])
		}
	}
	slices.Sort(high)
	return high[len(high)*19/20]
}

// highest is the log of the radius, as the terms have it, where the highest frequencies begin: 0.34
// cycles a pixel.
const highest = 0.68

// above leaves the frequencies of more power than least, in g and of the values.
func (g *grid) above(least float64, powers, gains []float64) (k, p []float64) {
	all := *g
	g.at, g.terms = nil, nil
	for i, v := range powers {
		if v > least {
			g.at, g.terms = append(g.at, all.at[i]), append(g.terms, all.terms[i])
			k, p = append(k, gains[i]), append(p, v)
		}
	}
	return k, p
}

// hidden is the deviation of the noise at frequencies that a blur of some gains hides, by powers P in rings of
// middle frequencies, which JPEG leaves alone longer than the highest:
//
//	N = 10% quantile of P - S K where K < 0.01,  S = median of P/K where K > 0.03.
//
// It is 0 where the blur hides few of them.
func (g grid) hidden(powers, gains []float64) float64 {
	const slow, fast, fewest = 0.2, 0.33, 30 // cycles a pixel
	var scene, noise []float64
	each := func(f func(power, gain float64)) {
		for i, t := range g.terms {
			if r := 0.15 * math.Exp(1.2*t[1]); r > slow && r < fast {
				f(powers[i], gains[i])
			}
		}
	}
	each(func(power, gain float64) {
		if gain > 0.03 {
			scene = append(scene, power/gain)
		}
	})
	seen := 0.0
	if len(scene) > 0 {
		slices.Sort(scene)
		seen = scene[len(scene)/2]
	}
	each(func(power, gain float64) {
		if gain < 0.01 {
			noise = append(noise, max(0, power-seen*gain))
		}
	})
	if len(noise) < fewest {
		return 0
	}
	slices.Sort(noise)
	return math.Sqrt(1.1 * noise[len(noise)/10]) // the quantile is a little below the mean
}

// hiddenNoise is hidden of the plan's measurement and blur; 0 where it is not known.
func (p *Plan) hiddenNoise() float64 {
	n := p.tileFor(p.problem.Y.Shape)
	if n == 0 {
		return 0
	}
	g := newGrid(n)
	gains, powers := g.gains(p.Operator), g.powers(p.problem.Y, true)
	if gains == nil || powers == nil {
		return 0
	}
	return g.hidden(powers, gains)
}

// leastEcho is the least echo of a blur in a result, below which it is regularised more. By the right blur
// it was -0.3 to 0.5.
const leastEcho = -0.2

// echoOf is the echo of the plan's blur in a scene x; 0 where it is not known.
func (p *Plan) echoOf(x []float32, scene operators.Shape) float64 {
	n := p.tileFor(scene)
	if n == 0 {
		return 0
	}
	g := newGrid(n)
	gains, powers := g.gains(p.Operator), g.powers(operators.Image{Shape: scene, Pix: x}, p.Saturated)
	if gains == nil || powers == nil {
		return 0
	}
	return g.echo(powers, gains)
}
