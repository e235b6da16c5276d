package kernel

// The three functions below work with the map m[p]*c[k] over pixels p and
// channels k without making it. m is constant over most of a picture, so they
// go by runs of equal m.

// run returns the end of the run of equal values that starts at m[i].
func run(m []float32, i int) int {
	j := i + 1
	for j < len(m) && m[j] == m[i] {
		j++
	}
	return j
}

// AddOuter sets dst[p*C+k] = x[p*C+k] + m[p]*c[k], C = len(c). dst may equal x.
func AddOuter(dst, x, m, c []float32) {
	k := len(c)
	same(len(m)*k, len(dst), len(x))
	for i := 0; i < len(m); {
		j := run(m, i)
		if m[i] == 1 {
			AddBias(dst[i*k:j*k], x[i*k:j*k], c)
		} else {
			copy(dst[i*k:j*k], x[i*k:j*k])
			for p := i; p < j; p++ {
				Axpy(dst[p*k:(p+1)*k], m[i], c)
			}
		}
		i = j
	}
}

// DotOuter is the sum of x[p*C+k]*m[p]*c[k].
func DotOuter(x, m, c []float32) float64 {
	k := len(c)
	same(len(m)*k, len(x))
	s := 0.0
	for i := 0; i < len(m); {
		j := run(m, i)
		if m[i] != 0 {
			s += float64(m[i]) * dotRows(x[i*k:j*k], c)
		}
		i = j
	}
	return s
}

// dotRows is the sum of x[i]*c[i%len(c)]. The channels are summed before they
// meet c, unless they are very many.
func dotRows(x, c []float32) float64 {
	var block [256]float64
	s := 0.0
	if len(c) > len(block) {
		for i := 0; i < len(x); i += len(c) {
			s += Dot(x[i:i+len(c)], c)
		}
		return s
	}
	sums := block[:len(c)]
	ChannelSum(sums, x)
	for k, v := range c {
		s += sums[k] * float64(v)
	}
	return s
}

// ChannelSumOuter adds to dst[k] the sum over p of m[p]*x[p*C+k].
func ChannelSumOuter(dst []float64, x, m []float32) {
	k := len(dst)
	same(len(m)*k, len(x))
	for i := 0; i < len(m); {
		j := run(m, i)
		if m[i] == 1 {
			ChannelSum(dst, x[i*k:j*k])
		} else if m[i] != 0 {
			for r, v := range x[i*k : j*k] {
				dst[r%k] += float64(m[i]) * float64(v)
			}
		}
		i = j
	}
}
