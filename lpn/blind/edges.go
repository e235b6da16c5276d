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
func (s *scale) sharpened(x []float32, mu float64) {
	gain := s.gain(s.k)
	ky := make([]complex64, len(gain))
	kk := make([]float32, len(gain))
	for i, g := range gain {
		y := s.whole[i]
		ky[i] = complex(real(g), -imag(g)) * y
		kk[i] = real(g)*real(g) + imag(g)*imag(g)
	}
	b := make([]float32, s.len())
	copy(x, s.wholeY)
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
			d := 1 / (kk[i] + t*s.laplace[i])
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

// continued prepares sharpened: the picture on the canvas, blended beyond its
// frame from one end to the other.
func (s *scale) continued(p plane) {
	m := s.side / 2
	s.wholeY = make([]float32, s.len())
	for i := range p.h {
		row := s.wholeY[(i+m)*s.w : (i+m+1)*s.w]
		copy(row[m:], p.pix[i*p.w:(i+1)*p.w])
		a, b := row[m+p.w-1], row[m]
		n := s.w - p.w
		for j := range n {
			t := float32(j+1) / float32(n+1)
			t = t * t * (3 - 2*t)
			row[(m+p.w+j)%s.w] = a + t*(b-a)
		}
	}
	n := s.h - p.h
	for i := range n {
		t := float32(i+1) / float32(n+1)
		t = t * t * (3 - 2*t)
		row := s.wholeY[(m+p.h+i)%s.h*s.w:][:s.w]
		for j := range row {
			a, b := s.wholeY[(m+p.h-1)*s.w+j], s.wholeY[m*s.w+j]
			row[j] = a + t*(b-a)
		}
	}
	s.whole = s.transform(s.wholeY)
	d := make([]float32, s.len())
	d[0], d[1], d[s.w-1], d[s.w], d[(s.h-1)*s.w] = 4, -1, -1, -1, -1
	l := s.transform(d)
	s.laplace = make([]float32, len(l))
	for i, v := range l {
		s.laplace[i] = max(real(v), 0)
	}
}
