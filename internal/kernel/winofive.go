package kernel

// The inner routines of F(4x4,5x5) in Go, at the points 0, 1, -1, 2, -2, 1/2,
// -1/2 and infinity. Of a pair of points p and -p, the even and the odd powers
// are evaluated once. Their assembly is in winograd_amd64.s.

// fiveInputGo is v[8*i+j][k] = (B'dB)[i][j] of channel k.
func fiveInputGo(v, x []float32, n, pixel, row, plane int) {
	line := func(d *[8]float32) [8]float32 {
		e1, o1 := d[6]+d[2]-4.25*d[4], d[5]+d[1]-4.25*d[3]
		e2, o2 := d[6]-1.25*d[4]+0.25*d[2], 2*(d[5]-1.25*d[3]+0.25*d[1])
		e3, o3 := d[6]-5*d[4]+4*d[2], 0.5*(d[5]-5*d[3]+4*d[1])
		return [8]float32{
			d[0] - d[6] + 5.25*(d[4]-d[2]), e1 + o1, e1 - o1, e2 + o2, e2 - o2, e3 + o3, e3 - o3,
			d[7] - d[1] + 5.25*(d[3]-d[5]),
		}
	}
	for k := range n {
		var t [8][8]float32 // t[i][j]
		for j := range 8 {
			var d [8]float32
			for i := range d {
				d[i] = x[k+j*pixel+i*row]
			}
			for i, o := range line(&d) {
				t[i][j] = o
			}
		}
		for i := range t {
			for j, o := range line(&t[i]) {
				v[(8*i+j)*plane+k] = o
			}
		}
	}
}

// fiveOutputGo is dst[i][j][k] = (A'mA)[i][j] of channel k, or is added to it.
func fiveOutputGo(dst, m []float32, n, pixel, row, plane int, acc bool) {
	line := func(m *[8]float32) [4]float32 {
		s1, d1, s2, d2, s3, d3 := m[1]+m[2], m[1]-m[2], m[3]+m[4], m[3]-m[4], m[5]+m[6], m[5]-m[6]
		return [4]float32{
			m[0] + s1 + s2 + s3,
			d1 + 2*d2 + 0.5*d3,
			s1 + 4*s2 + 0.25*s3,
			m[7] + d1 + 8*d2 + 0.125*d3,
		}
	}
	for k := range n {
		var t [4][8]float32 // t[i][j]
		for j := range 8 {
			var d [8]float32
			for i := range d {
				d[i] = m[k+(8*i+j)*plane]
			}
			for i, o := range line(&d) {
				t[i][j] = o
			}
		}
		for i := range t {
			for j, o := range line(&t[i]) {
				if at := i*row + j*pixel + k; acc {
					dst[at] += o
				} else {
					dst[at] = o
				}
			}
		}
	}
}

// fiveFilterGo is u[8*i+j][k] = (GgG')[i][j] of channel k.
func fiveFilterGo(u, w []float32, n, tap, plane int) {
	line := func(g *[5]float32) [8]float32 {
		e1, o1 := (g[0]+g[2]+g[4])*(-2./9), (g[1]+g[3])*(-2./9)
		e2, o2 := (g[0]+4*g[2]+16*g[4])*(1./90), (g[1]+4*g[3])*(1./45)
		e3, o3 := (g[0]+0.25*g[2]+0.0625*g[4])*(32./45), (g[1]+0.25*g[3])*(16./45)
		return [8]float32{g[0], e1 + o1, e1 - o1, e2 + o2, e2 - o2, e3 + o3, e3 - o3, g[4]}
	}
	for k := range n {
		var t [8][5]float32 // t[i][j]
		for j := range 5 {
			var g [5]float32
			for i := range g {
				g[i] = w[k+(5*i+j)*tap]
			}
			for i, o := range line(&g) {
				t[i][j] = o
			}
		}
		for i := range t {
			for j, o := range line(&t[i]) {
				u[(8*i+j)*plane+k] = o
			}
		}
	}
}

// fiveGradientGo is v[8*i+j][k] = (AgA')[i][j] of channel k.
func fiveGradientGo(v, g []float32, n, pixel, row, plane int) {
	line := func(y *[4]float32) [8]float32 {
		e1, o1 := y[0]+y[2], y[1]+y[3]
		e2, o2 := y[0]+4*y[2], 2*(y[1]+4*y[3])
		e3, o3 := y[0]+0.25*y[2], 0.5*(y[1]+0.25*y[3])
		return [8]float32{y[0], e1 + o1, e1 - o1, e2 + o2, e2 - o2, e3 + o3, e3 - o3, y[3]}
	}
	for k := range n {
		var t [8][4]float32 // t[i][j]
		for j := range 4 {
			var y [4]float32
			for i := range y {
				y[i] = g[k+j*pixel+i*row]
			}
			for i, o := range line(&y) {
				t[i][j] = o
			}
		}
		for i := range t {
			for j, o := range line(&t[i]) {
				v[(8*i+j)*plane+k] = o
			}
		}
	}
}

// fiveWeightsGo is w[5*i+j][k] = (G'mG)[i][j] of channel k.
func fiveWeightsGo(w, m []float32, n, tap, plane int) {
	line := func(m *[8]float32) [5]float32 {
		s1, d1 := (m[1]+m[2])*(-2./9), (m[1]-m[2])*(-2./9)
		s2, d2 := (m[3]+m[4])*(1./90), (m[3]-m[4])*(1./90)
		s3, d3 := (m[5]+m[6])*(32./45), (m[5]-m[6])*(32./45)
		return [5]float32{
			m[0] + s1 + s2 + s3,
			d1 + 2*d2 + 0.5*d3,
			s1 + 4*s2 + 0.25*s3,
			d1 + 8*d2 + 0.125*d3,
			m[7] + s1 + 16*s2 + 0.0625*s3,
		}
	}
	for k := range n {
		var t [5][8]float32 // t[i][j]
		for j := range 8 {
			var d [8]float32
			for i := range d {
				d[i] = m[k+(8*i+j)*plane]
			}
			for i, o := range line(&d) {
				t[i][j] = o
			}
		}
		for i := range t {
			for j, o := range line(&t[i]) {
				w[(5*i+j)*tap+k] = o
			}
		}
	}
}
