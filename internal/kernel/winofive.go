package kernel

// The inner routines of F(4x4,5x5) in Go, at the points 0, 1, -1, 2, -2, 1/2,
// -1/2 and infinity, in this order. Their assembly is in winograd_amd64.s and
// winograd_arm64.s.

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

// fivePairs are the points p and -p, with 1/d, where d is the denominator of
// Lagrange's polynomial at p.
var fivePairs = [3]struct{ p, d float32 }{{1, -2. / 9}, {2, 1. / 90}, {0.5, 32. / 45}}

// fiveCollect sets y[k] to the sum over the points p of x*p^k, and if lagrange of
// x*p^k/d, of which infinity has the last alone.
func fiveCollect(y []float32, x *[8]float32, lagrange bool) {
	clear(y)
	for i, a := range fivePairs {
		// Of a pair, even powers take the sum and odd ones the difference.
		parity, power := [2]float32{x[2*i+1] + x[2*i+2], x[2*i+1] - x[2*i+2]}, float32(1)
		if lagrange {
			power = a.d
		}
		for k := range y {
			y[k] += power * parity[k%2]
			power *= a.p
		}
	}
	y[0] += x[0]
	y[len(y)-1] += x[7]
}

// fiveSpread sets x at each point p to the sum of y[k]*p^k, and if lagrange to
// that over d.
func fiveSpread(x *[8]float32, y []float32, lagrange bool) {
	for i, a := range fivePairs {
		var parity [2]float32
		power := float32(1)
		if lagrange {
			power = a.d
		}
		for k, v := range y {
			parity[k%2] += power * v
			power *= a.p
		}
		x[2*i+1], x[2*i+2] = parity[0]+parity[1], parity[0]-parity[1]
	}
	x[0], x[7] = y[0], y[len(y)-1]
}

// fiveFrom calls put with element (i,j) of the size x size sums over the 8x8
// places of m, plane apart.
func fiveFrom(m []float32, plane, size int, lagrange bool, put func(i, j int, v float32)) {
	var t [5][8]float32 // t[i][j]
	var y [5]float32
	for j := range 8 {
		var d [8]float32
		for i := range d {
			d[i] = m[(8*i+j)*plane]
		}
		fiveCollect(y[:size], &d, lagrange)
		for i := range size {
			t[i][j] = y[i]
		}
	}
	for i := range size {
		fiveCollect(y[:size], &t[i], lagrange)
		for j := range size {
			put(i, j, y[j])
		}
	}
}

// fiveTo is the transform of the size x size values get(i,j) to the 8x8 places of
// v, plane apart.
func fiveTo(v []float32, plane, size int, lagrange bool, get func(i, j int) float32) {
	var t [8][5]float32 // t[i][j]
	var d [8]float32
	for j := range size {
		var y [5]float32
		for i := range size {
			y[i] = get(i, j)
		}
		fiveSpread(&d, y[:size], lagrange)
		for i, o := range d {
			t[i][j] = o
		}
	}
	for i := range t {
		fiveSpread(&d, t[i][:size], lagrange)
		for j, o := range d {
			v[(8*i+j)*plane] = o
		}
	}
}

// fiveOutputGo writes (A'mA)[i][j] of channel k into dst[i][j][k].
func fiveOutputGo(dst, m []float32, n, pixel, row, plane int, into Into) {
	for k := range n {
		fiveFrom(m[k:], plane, 4, false, func(i, j int, v float32) {
			into.put(&dst[i*row+j*pixel+k], v)
		})
	}
}

// fiveWeightsGo is w[5*i+j][k] = (G'mG)[i][j] of channel k.
func fiveWeightsGo(w, m []float32, n, tap, plane int) {
	for k := range n {
		fiveFrom(m[k:], plane, 5, true, func(i, j int, v float32) { w[(5*i+j)*tap+k] = v })
	}
}

// fiveFilterGo is u[8*i+j][k] = (GgG')[i][j] of channel k.
func fiveFilterGo(u, w []float32, n, tap, plane int) {
	for k := range n {
		fiveTo(u[k:], plane, 5, true, func(i, j int) float32 { return w[(5*i+j)*tap+k] })
	}
}

// fiveGradientGo is v[8*i+j][k] = (AgA')[i][j] of channel k.
func fiveGradientGo(v, g []float32, n, pixel, row, plane int) {
	for k := range n {
		fiveTo(v[k:], plane, 4, false, func(i, j int) float32 { return g[i*row+j*pixel+k] })
	}
}
