package blind

// sharpened writes to x the scene with few but strong edges that explains the
// picture on the canvas,
//
//	argmin ||k*x - y||^2 + mu |{i : grad x(i) != 0}|,
//
// by half-quadratic splitting (Xu, Lu, Xu & Jia 2011; Xu, Zheng & Jia, CVPR 2013):
// gradients g with |g|^2 < mu/beta are dropped, then x follows in the Fourier
// domain from
//
//	(K'K + beta D'D) x = K'y + beta D'g,
//
// for beta = 2 mu, 4 mu, ... . y continues around the canvas without a jump.
func (s *scale) sharpened(x []float32, c continuation, mu float64) {
	gain := s.gain(s.k)
	ky := make([]complex64, len(gain))
	kk := make([]float32, len(gain))
	for i, g := range gain {
		y := c.freq[i]
		ky[i] = complex(real(g), -imag(g)) * y
		kk[i] = real(g)*real(g) + imag(g)*imag(g)
	}
	b := make([]float32, s.len())
	copy(x, c.pix)
	for beta := 2 * mu; beta < 1e3; beta *= 2 {
		clear(b)
		least := float32(mu / beta)
		for i := range s.h {
			down := (i + 1) % s.h
			for j := range s.w {
				right := j + 1
				if right == s.w {
					right = 0
				}
				at := i*s.w + j
				dx, dy := x[i*s.w+right]-x[at], x[down*s.w+j]-x[at]
				if dx*dx+dy*dy < least {
					continue
				}
				b[at] -= dx + dy
				b[i*s.w+right] += dx
				b[down*s.w+j] += dy
			}
		}
		s.fft.Forward(s.freq, b)
		t := float32(beta)
		for i, f := range s.freq {
			d := 1 / (kk[i] + t*c.laplace[i])
			s.freq[i] = (ky[i] + complex(t, 0)*f) * complex(d, 0)
		}
		s.fft.Inverse(x, s.freq)
	}
}

// edges sets the fields to the gradients of x.
func (s *scale) edges(x []float32) {
	for i := range s.h {
		down := (i + 1) % s.h
		for j := range s.w {
			at := i*s.w + j
			s.fields[0].x[at] = x[i*s.w+(j+1)%s.w] - x[at]
			s.fields[1].x[at] = x[down*s.w+j] - x[at]
		}
	}
}

// A continuation is the picture on the canvas, without a jump where that wraps
// around.
type continuation struct {
	pix     []float32
	freq    []complex64
	laplace []float32 // the transform of D'D
}

// continued blends a plane, beyond its frame, from one end to the other.
func (s *scale) continued(p plane) continuation {
	m := s.side / 2
	pix := make([]float32, s.len())
	blend := func(i, n int, a, b float32) float32 {
		t := float32(i+1) / float32(n+1)
		return a + t*t*(3-2*t)*(b-a)
	}
	for i := range p.h {
		row := pix[(i+m)*s.w : (i+m+1)*s.w]
		copy(row[m:], p.pix[i*p.w:(i+1)*p.w])
		a, b := row[m+p.w-1], row[m]
		for j := range s.w - p.w {
			row[(m+p.w+j)%s.w] = blend(j, s.w-p.w, a, b)
		}
	}
	for i := range s.h - p.h {
		row := pix[(m+p.h+i)%s.h*s.w:][:s.w]
		for j := range row {
			row[j] = blend(i, s.h-p.h, pix[(m+p.h-1)*s.w+j], pix[m*s.w+j])
		}
	}
	c := continuation{pix: pix, freq: s.transform(pix)}
	d := make([]float32, s.len())
	d[0], d[1], d[s.w-1], d[s.w], d[(s.h-1)*s.w] = 4, -1, -1, -1, -1
	l := s.transform(d)
	c.laplace = make([]float32, len(l))
	for i, v := range l {
		c.laplace[i] = max(real(v), 0)
	}
	return c
}
