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
	for p, v := range m {
		if v != 0 {
			s += float64(v) * Dot(x[p*k:(p+1)*k], c)
		}
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
