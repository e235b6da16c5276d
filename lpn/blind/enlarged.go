package blind

const (
	// reach is how many neighbours on either side a sample is predicted from.
	reach = 3
	// longest is the longest period that is looked for, periods a common multiple of all.
	longest, periods = 5, 60
	// lookedAt is the side of the middle of a large picture that is looked at.
	lookedAt = 1024
	// interpolated is how many times smaller the error of predictions with a period is in a picture that was
	// enlarged. In blurred photographs it is at most 1.004, and 1.02 where colours were interpolated in a
	// camera; enlarged 1.5, 2 and 3 times by Pillow's filters, 1.1 to 18, with noise of 1/255 since, 1.05 to 1.4.
	interpolated = 1.04
)

// enlarged is the period in pixels at which a picture seems to have been interpolated, 0 where it was not. A
// sample between others is a fixed sum of its neighbours, which depends on where between them it lies, and that repeats (Popescu & Farid,
// IEEE Trans. Signal Process. 53, 2005). So neighbours predict samples better if each place in a period has its
// own weights, along rows and along columns. In what was not enlarged they do not.
func (p plane) enlarged() int {
	at, most := 0, interpolated
	rows, cols := p.predictors(true), p.predictors(false)
	for period := 2; period <= longest; period++ {
		// A multiple of a period is no worse, but by what is left to chance.
		if ratio := min(rows.ratio(period), cols.ratio(period)); ratio > most*1.02 || at == 0 && ratio > most {
			at, most = period, ratio
		}
	}
	return at
}

const taps = 2 * reach

// A predictor is what the least squares of samples by their neighbours, less the mean of those, need.
type predictor struct {
	a       [taps][taps]float64 // of neighbours with neighbours
	b       [taps]float64       // with the sample
	c, n, w float64             // of the sample with itself, the samples, and their weight
}

// predictors has one for each place in periods, along rows or columns.
type predictors [periods]predictor

func (p plane) predictors(along bool) *predictors {
	out := new(predictors)
	h, w := min(p.h, lookedAt), min(p.w, lookedAt)
	top, left := (p.h-h)/2, (p.w-w)/2
	lines, length, line, step := h, w, p.w, 1
	if !along {
		lines, length, line, step = w, h, 1, p.w
	}
	start := top*p.w + left
	for i := range lines {
	samples:
		for j := reach; j < length-reach; j++ {
			at := start + i*line + j*step
			var x [taps]float64
			mean, k := 0.0, 0
			for d := -reach; d <= reach; d++ {
				if !p.ok[at+d*step] {
					continue samples
				}
				if d != 0 {
					x[k] = float64(p.pix[at+d*step])
					mean += x[k] / taps
					k++
				}
			}
			spread := 0.0
			for k := range x {
				x[k] -= mean
				spread += x[k] * x[k] / taps
			}
			// Edges do not rule.
			const even = 6e-5
			weight, t := 1/(spread+even), float64(p.pix[at])-mean
			q := &out[j%periods]
			for k, v := range x {
				q.b[k] += weight * v * t
				for l := range k + 1 {
					q.a[k][l] += weight * v * x[l]
				}
			}
			q.c += weight * t * t
			q.w += weight
			q.n++
		}
	}
	return out
}

// ratio is the mean square error of predictions by one set of weights over that of predictions by a set for each
// place in a period, each over its degrees of freedom.
func (s *predictors) ratio(period int) float64 {
	var all predictor
	own, n, lost := 0.0, 0.0, 0
	for place := range period {
		var one predictor
		for i := place; i < periods; i += period {
			one.add(&s[i])
			all.add(&s[i])
		}
		own, n, lost = own+one.left(), n+one.n, lost+taps
	}
	free := n - float64(lost)
	if free < n/2 || !(own > 0) {
		return 1
	}
	return all.left() / (n - taps) / (own / free)
}

func (q *predictor) add(o *predictor) {
	for k := range taps {
		q.b[k] += o.b[k]
		for l := range k + 1 {
			q.a[k][l] += o.a[k][l]
		}
	}
	q.c, q.n, q.w = q.c+o.c, q.n+o.n, q.w+o.w
}

// left is the weighted sum of squares that the best prediction leaves, at least that of errors of rounding.
func (q *predictor) left() float64 {
	const rounding = 1. / 255 / 255 / 12 / 100 // a hundredth of the variance of 8 bits
	if q.w == 0 {
		return 0
	}
	m, x := make([]float64, taps*taps), q.b
	for k := range taps {
		x[k] /= q.w
		for l := range k + 1 {
			m[k*taps+l] = q.a[k][l] / q.w
		}
		m[k*taps+k] += 1e-9
	}
	cholesky(m, taps)
	solve(m, x[:], taps)
	left := q.c
	for k, v := range x {
		left -= v * q.b[k]
	}
	return max(left, rounding*q.w)
}
