package kernel

import (
	"math"
	"unsafe"
)

//go:generate go -C _gen run ./winograd -out ../winograd_amd64.s -stubs ../winograd_stubs_amd64.go -pkg kernel

// A winograd computes a 3x3 or 5x5 convolution of stride 1, or its adjoint, by
// an algorithm F(4x4,KxK) of Lavin and Gray (Fast algorithms for convolutional
// neural networks, 2016): with d a tile of the input, of 6x6 or 8x8, and g a
// filter,
//
//	the 4x4 outputs = A' [sum over ci of (G g G') * (B' d B)] A,
//
// where * is elementwise. It needs 36 multiplications for 16 outputs, not 144,
// and for 5x5 64, not 400. The sums over ci of all the tiles are matrix
// products, one for each place of the tile. A NaN or infinity spoils all 16
// outputs of its tiles.
//
// The transforms evaluate polynomials at as many points as a tile has columns.
// Of six Lavin and Gray take 0, 1, -1, 2, -2 and infinity; at 0, +-sqrt(1/2),
// +-sqrt(2) and infinity the products of points are 1 and the rounding errors
// less than half as large: 9e-7 of the result. Of eight, 0, +-1, +-2, +-1/2 and
// infinity have the smallest errors of those that were tried, 3e-6 of the result
// (root mean squares, normal numbers, 64 channels).
//
// The adjoint is the convolution with the filters turned by half a circle, the
// channels swapped and the padding K-1-Pad.
//
// A few of the channels of x may lie by themselves, beside the others: the last
// of the input, which enter the products like the rest, or of an adjoint's
// output. The products of those are dot products with the tiles as they are.
type winograd struct {
	*winoAlg
	level  Level
	adj    bool
	n      int // images
	ih, iw int // input
	ci     int // in all
	oh, ow int // output
	co     int // but for those beside
	beside int
	pad    int
	ty, tx int // tiles in an image, down and across
	per    int // rows of tiles in a part
	tiles  int // tiles that are in work at a time
	cip    int // ci in whole vectors
	blocks []winoBlock
	packed int
	dots   int // where the filters of an adjoint's channels beside begin
}

// A winoAlg is an algorithm F(4x4,k x k), on tiles of side x side places.
type winoAlg struct {
	k, side int
	ref     winoRef
	asm     [AVX512 + 1]winoAsm // by level
}

// A winoRef is the transforms of an algorithm in Go, of n channels. Places lie
// plane floats apart.
type winoRef struct {
	input, gradient func(v, x []float32, n, pixel, row, plane int)
	output          func(dst, m []float32, n, pixel, row, plane int, into Into)
	filter, weights func(u, w []float32, n, tap, plane int)
}

// A winoAsm is the same in assembly; tmp is what they need for themselves. They
// write whole vectors of channels to places, and n channels to all else.
type winoAsm struct {
	input, gradient func(v, x, tmp *float32, n, pixel, row, plane int)
	output          winoOutputs
	filter, weights func(u, w, tmp *float32, n, tap, plane int)
}

// winoOutputs are by Into.
type winoOutputs = [IntoProduct + 1]func(dst, m, tmp *float32, n, pixel, row, plane int)

var (
	winoThree = winoAlg{3, 6, winoRef{winoInputGo, winoGradientGo, winoOutputGo, winoFilterGo, winoWeightsGo}, winoThreeAsm}
	winoFive  = winoAlg{5, 8, winoRef{fiveInputGo, fiveGradientGo, fiveOutputGo, fiveFilterGo, fiveWeightsGo}, winoFiveAsm}
)

func (a *winoAlg) input(l Level, v, x, tmp []float32, n, pixel, row, plane int) {
	if l == Generic {
		a.ref.input(v, x, n, pixel, row, plane)
		return
	}
	a.asm[l].input(&v[0], &x[0], &tmp[0], n, pixel, row, plane)
}

func (a *winoAlg) output(l Level, dst, m, tmp []float32, n, pixel, row, plane int, into Into) {
	if l == Generic {
		a.ref.output(dst, m, n, pixel, row, plane, into)
		return
	}
	a.asm[l].output[into](&dst[0], &m[0], &tmp[0], n, pixel, row, plane)
}

func (a *winoAlg) filter(l Level, u, w, tmp []float32, n, tap, plane int) {
	if l == Generic {
		a.ref.filter(u, w, n, tap, plane)
		return
	}
	a.asm[l].filter(&u[0], &w[0], &tmp[0], n, tap, plane)
}

func (a *winoAlg) gradient(l Level, v, g, tmp []float32, n, pixel, row, plane int) {
	if l == Generic {
		a.ref.gradient(v, g, n, pixel, row, plane)
		return
	}
	a.asm[l].gradient(&v[0], &g[0], &tmp[0], n, pixel, row, plane)
}

func (a *winoAlg) weights(l Level, w, m, tmp []float32, n, tap, plane int) {
	if l == Generic {
		a.ref.weights(w, m, n, tap, plane)
		return
	}
	a.asm[l].weights(&w[0], &m[0], &tmp[0], n, tap, plane)
}

// winoAlgFor is the algorithm for filters of k x k.
func winoAlgFor(k int) *winoAlg {
	if k == 5 {
		return &winoFive
	}
	return &winoThree
}

// places is how many products a tile has.
func (a *winoAlg) places() int { return a.side * a.side }

// tmp is the floats that a transform needs for one tile of 16 channels.
func (a *winoAlg) tmp() int { return a.places() * winoLane }

// A winoBlock is some output channels that are computed together: width, in
// whole vectors, of which used are real. Its filters begin at weights; the
// places of the tile are plane floats apart.
type winoBlock struct{ from, used, width, weights, plane int }

// winoLane is the unit in which channels are padded.
const winoLane = 16

// newWinograd plans the convolution s or its adjoint, beside of the channels of x
// lying by themselves.
func newWinograd(s ConvShape, adj bool, beside int) *winograd {
	oh, ow := s.Out()
	c := &winograd{winoAlg: winoAlgFor(s.K), level: level, adj: adj, n: s.N, ih: s.H, iw: s.W, ci: s.Ci, oh: oh, ow: ow, co: s.Co, beside: beside, pad: s.Pad}
	if adj {
		c.ih, c.iw, c.ci, c.oh, c.ow, c.co, c.pad = oh, ow, s.Co, s.H, s.W, s.Ci-beside, s.K-1-s.Pad
	}
	c.ty, c.tx = (c.oh+3)/4, (c.ow+3)/4
	c.cip = (c.ci + winoLane - 1) / winoLane * winoLane
	if !adj && beside > 0 { // two runs of whole vectors
		lanes := max(8, engines[level].lanes)
		c.cip = c.ci - beside + (beside+lanes-1)/lanes*lanes
	}
	c.blocks = productBlocks(c.level, c.co)

	// Parts for a dozen workers, but not too small: each reads all the filters.
	// Few tiles stay in the second-level cache; many share the reading of
	// filters that do not.
	all := c.n * c.ty * c.tx
	c.tiles = min(max(all/12, 12), max(12, winoWork/(c.places()*(c.cip+c.blocks[len(c.blocks)-1].width))))
	if c.places()*c.ci*c.co > 1<<19 {
		c.tiles = min(max(all/6, 32), 64)
	}
	c.per = (c.tiles + c.tx - 1) / c.tx
	c.tiles = min(c.tiles, all)

	for i := range c.blocks {
		b := &c.blocks[i]
		b.weights, b.plane = c.packed, apart(c.ci*b.width)
		c.packed += c.places() * b.plane
	}
	if adj {
		c.dots = c.packed
		c.packed += beside * c.places() * c.cip
	}
	return c
}

// winoWork is how many floats of tiles and products are in work at a time: four
// fifths of a second-level cache of 512 KB.
const winoWork = 104 << 10

// apart is the distance of planes of n floats or more: an odd multiple of a cache
// line, or all planes would compete for the same lines of the cache.
func apart(n int) int { return ((n+15)/16 | 1) * 16 }

// useWinograd says whether the algorithm pays for the convolution s or its
// adjoint, by a count of cycles in units of the direct sum's multiplications
// that was fitted to measurements: besides the products there are the
// transforms, the copying of tiles at the border, and reading the filters,
// which are larger and with few tiles are not read from the first-level cache.
func useWinograd(s ConvShape, adj bool) bool {
	if s.K != 3 || s.Stride != 1 {
		return useFive(s)
	}
	h, w := s.Out()
	ci, co := s.Ci, s.Co
	if adj {
		h, w, ci, co = s.H, s.W, co, ci
	}
	ty, tx := (h+3)/4, (w+3)/4
	lanes := func(c int) int { return (c + winoLane - 1) / winoLane * winoLane }
	tile := 36*ci*co + 400*lanes(ci) + 300*lanes(co) + 2000
	border := min(2*(ty+tx), ty*tx) * 3000
	parts := max(1, s.N*ty*tx/24)
	read := 36 * ci * co * 2
	if 4*36*ci*co > 3<<19 {
		read *= 4 // beyond the second-level cache
	}
	cost := s.N*(ty*tx*tile+border) + parts*read
	return 115*cost < 100*9*s.N*h*w*ci*co
}

// useFive is useWinograd for all but 3x3 of stride 1.
func useFive(s ConvShape) bool {
	oh, ow := s.Out()
	return s.K == 5 && s.Stride == 1 && s.Pad <= 4 && level != Generic &&
		s.Ci >= 16 && s.Co >= 16 && s.Ci*s.Co >= 512 && min(s.H, s.W, oh, ow) >= 4
}

// The packed filters are, for each block, planes (ci,width), and then for an
// adjoint the turned and transposed weights, which only pack reads.
func (c *winograd) packLen() int {
	n := c.packed + c.tmp()
	if c.adj {
		n += c.k * c.k * c.ci * (c.co + c.beside)
	}
	return n
}

func (c *winograd) pack(dst, w []float32) {
	tmp := dst[c.packed:][:c.tmp()]
	co := c.co
	if c.adj {
		co += c.beside
		t := dst[c.packed+c.tmp():]
		n, last := c.ci*co, c.k*c.k-1
		for e := range c.beside {
			for k := range c.k * c.k {
				copy(t[k*c.ci:][:c.ci], w[(last-k)*n+(c.co+e)*c.ci:])
			}
			c.filter(c.level, dst[c.dots+e*c.places()*c.cip:], t, tmp, c.ci, c.ci, c.cip)
		}
		for k := range c.k * c.k {
			transpose(t[k*n:(k+1)*n], w[(last-k)*n:(last-k+1)*n], co, c.ci)
		}
		w = t
	}
	for _, b := range c.blocks {
		for k := range c.ci {
			c.filter(c.level, dst[b.weights+k*b.width:], w[k*co+b.from:], tmp, b.used, c.ci*co, b.plane)
		}
	}
}

func (c *winograd) parts() int { return (c.n*c.ty + c.per - 1) / c.per }

func (c *winograd) rows(part int) (lo, hi int) {
	// row is the first output row of a row of tiles.
	row := func(t int) int { return t/c.ty*c.oh + 4*(t%c.ty) }
	n := c.n * c.ty
	return row(n * part / c.parts()), row(n * (part + 1) / c.parts())
}

// planes returns the distances between the places of the transformed tiles
// and of the products.
func (c *winograd) planes() (in, out int) {
	return apart(c.tiles * c.cip), apart(c.tiles * c.blocks[len(c.blocks)-1].width)
}

func (c *winograd) scratchLen() int {
	in, out := c.planes()
	return c.places()*(in+out) + c.tmp() + c.tileLen() + 16
}

// tileLen is the size of a tile of the input at the border, or of the output, or
// of a channel beside of all tiles.
func (c *winograd) tileLen() int {
	return max(c.places()*c.ci, 16*c.blocks[len(c.blocks)-1].width, 16*c.tiles)
}

func (c *winograd) part(dst, x, f []float32, part int, acc bool, scratch []float32) {
	into := IntoNew
	if acc {
		into = IntoSum
	}
	c.partInto(dst, x, nil, f, part, into, scratch)
}

// partInto is part with the channels beside in e.
func (c *winograd) partInto(dst, x, e, f []float32, part int, into Into, scratch []float32) {
	n := c.n * c.ty
	from, to := n*part/c.parts()*c.tx, n*(part+1)/c.parts()*c.tx
	chunks := (to - from + c.tiles - 1) / c.tiles
	s := c.carve(scratch)
	for i := range chunks {
		c.chunk(dst, x, e, f, from+(to-from)*i/chunks, from+(to-from)*(i+1)/chunks, into, s)
	}
}

// winoScratch is the memory of a worker.
type winoScratch struct {
	v, m, tmp, tile []float32
	vPlane, mPlane  int
}

// aligned drops the floats before the first cache line that begins in s.
func aligned(s []float32) []float32 {
	return s[-uintptr(unsafe.Pointer(&s[0]))%64/4:]
}

// carve cuts scratch.
func (c *winograd) carve(scratch []float32) (s winoScratch) {
	scratch = aligned(scratch)
	s.vPlane, s.mPlane = c.planes()
	v, m, tmp := c.places()*s.vPlane, c.places()*s.mPlane, c.tmp()
	s.v, scratch = scratch[:v], scratch[v:]
	s.m, scratch = scratch[:m], scratch[m:]
	s.tmp, scratch = scratch[:tmp], scratch[tmp:]
	s.tile = scratch[:c.tileLen()]
	return s
}

// chunk computes tiles [from,to), counted over all the images.
func (c *winograd) chunk(dst, x, e, f []float32, from, to int, into Into, s winoScratch) {
	main := c.ci
	if !c.adj {
		main -= c.beside
	}
	c.inputs(x, s.v, main, from, to, s)
	if main < c.ci {
		c.inputs(e, s.v[main:], c.beside, from, to, s)
	}
	for _, b := range c.blocks {
		winoPanels(c.level, s.m, s.v, f[b.weights:], b.plane, to-from, c.ci, c.cip, b.width, c.places(), s.mPlane, s.vPlane, b.plane)
		c.outputs(dst, from, to, b, into, s)
	}
	if c.adj {
		for i := range c.beside {
			c.dot(e[i:], from, to, f[c.dots+i*c.places()*c.cip:], s)
		}
	}
}

// inputs transforms n channels of tiles [from,to) to v.
func (c *winograd) inputs(x, v []float32, n, from, to int, s winoScratch) {
	for t := from; t < to; t++ {
		img, y0, x0 := c.place(t)
		y, u := y0-c.pad, x0-c.pad
		src, row := x, c.iw*n
		if y >= 0 && u >= 0 && y+c.side <= c.ih && u+c.side <= c.iw {
			src = x[((img*c.ih+y)*c.iw+u)*n:]
		} else {
			gather(s.tile, x[img*c.ih*row:][:c.ih*row], c.side, y, u, c.ih, c.iw, n, winoBlock{used: n})
			src, row = s.tile, c.side*n
		}
		c.input(c.level, v[(t-from)*c.cip:], src, s.tmp, n, n, row, s.vPlane)
	}
}

// dot computes one of the channels beside of an adjoint's output.
func (c *winograd) dot(e []float32, from, to int, u []float32, s winoScratch) {
	// The tiles are what channels are to the transform.
	n := to - from
	winoDots(c.level, s.m, s.v, u, n, c.ci, c.cip, c.places(), s.mPlane, s.vPlane, c.cip)
	c.output(c.level, s.tile, s.m, s.tmp, n, n, 4*n, s.mPlane, IntoNew)
	for t := range n {
		img, y0, x0 := c.place(from + t)
		wide, row := min(4, c.ow-x0)*c.beside, c.ow*c.beside
		d, p := e[((img*c.oh+y0)*c.ow+x0)*c.beside:], s.tile[t:]
		for i := range min(4, c.oh-y0) {
			for j, k := i*row, 4*i*n; j < i*row+wide; j, k = j+c.beside, k+n {
				d[j] = p[k]
			}
		}
	}
}

// outputs transforms the products of block b back for tiles [from,to).
func (c *winograd) outputs(dst []float32, from, to int, b winoBlock, into Into, s winoScratch) {
	for t := from; t < to; t++ {
		img, y0, x0 := c.place(t)
		d := dst[((img*c.oh+y0)*c.ow+x0)*c.co+b.from:]
		m := s.m[(t-from)*b.width:]
		if y0+4 <= c.oh && x0+4 <= c.ow {
			c.output(c.level, d, m, s.tmp, b.used, c.co, c.ow*c.co, s.mPlane, into)
			continue
		}
		c.output(c.level, s.tile, m, s.tmp, b.used, b.used, 4*b.used, s.mPlane, IntoNew)
		c.scatter(d, s.tile, min(4, c.oh-y0), min(4, c.ow-x0), b.used, into)
	}
}

// l1Panel is how many floats of weights a product may have: two thirds of a
// first-level cache of 48 KB.
const l1Panel = 8 << 10

// winoPanels is winoProduct for any number of channels, in runs of them whose
// weights stay in the first-level cache.
func winoPanels(l Level, m, v, u []float32, ahead, rows, ci, pitch, width, places, mPlane, vPlane, uPlane int) {
	runs := (ci*width + l1Panel - 1) / l1Panel
	for run := range runs {
		from, to := ci*run/runs, ci*(run+1)/runs
		winoProduct(l, m, v[from:], u[from*width:], ahead, rows, to-from, pitch, width, run, places, mPlane, vPlane, uPlane)
	}
}

// place is the image and the first output row and column of tile t.
func (c *winograd) place(t int) (img, y, x int) {
	r := t / c.tx
	return r / c.ty, 4 * (r % c.ty), 4 * (t % c.tx)
}

// scatter writes rows x cols pixels of n channels of a 4x4 tile into dst.
func (c *winograd) scatter(dst, tile []float32, rows, cols, n int, into Into) {
	for i := range rows {
		for j := range cols {
			d, p := dst[(i*c.ow+j)*c.co:][:n], tile[(4*i+j)*n:][:n]
			switch into {
			case IntoNew:
				copy(d, p)
			case IntoSum:
				Add(d, d, p)
			case IntoProduct:
				Mul(d, d, p)
			}
		}
	}
}

// The inner routines of F(4x4,3x3) in Go. Their assembly is in winograd_amd64.s and
// winograd_arm64.s.

// winoInputGo is v[6*i+j][k] = (B'dB)[i][j] of channel k.
func winoInputGo(v, x []float32, n, pixel, row, plane int) {
	line := func(d0, d1, d2, d3, d4, d5 float32) [6]float32 {
		a, b := d4-2*d2, (math.Sqrt2/2)*(d3-2*d1)
		c, e := d4-0.5*d2, math.Sqrt2*(d3-0.5*d1)
		return [6]float32{d0 - 2.5*d2 + d4, a + b, a - b, c + e, c - e, d1 - 2.5*d3 + d5}
	}
	for k := range n {
		var t [6][6]float32 // t[j][i]
		for j := range t {
			p := x[k+j*pixel:]
			t[j] = line(p[0], p[row], p[2*row], p[3*row], p[4*row], p[5*row])
		}
		for i := range 6 {
			for j, o := range line(t[0][i], t[1][i], t[2][i], t[3][i], t[4][i], t[5][i]) {
				v[(6*i+j)*plane+k] = o
			}
		}
	}
}

// winoOutputGo writes (A'mA)[i][j] of channel k into dst[i][j][k].
func winoOutputGo(dst, m []float32, n, pixel, row, plane int, into Into) {
	line := func(m0, m1, m2, m3, m4, m5 float32) [4]float32 {
		s1, d1, s2, d2 := m1+m2, m1-m2, m3+m4, m3-m4
		return [4]float32{
			m0 + s1 + s2, (math.Sqrt2/2)*d1 + math.Sqrt2*d2,
			0.5*s1 + 2*s2, (math.Sqrt2/4)*d1 + (2*math.Sqrt2)*d2 + m5,
		}
	}
	for k := range n {
		var t [6][4]float32 // t[j][i]
		for j := range t {
			p := m[k+j*plane:]
			t[j] = line(p[0], p[6*plane], p[12*plane], p[18*plane], p[24*plane], p[30*plane])
		}
		for i := range 4 {
			for j, o := range line(t[0][i], t[1][i], t[2][i], t[3][i], t[4][i], t[5][i]) {
				into.put(&dst[i*row+j*pixel+k], o)
			}
		}
	}
}

// winoFilterGo is u[6*i+j][k] = (GgG')[i][j] of channel k.
func winoFilterGo(u, w []float32, n, tap, plane int) {
	line := func(g0, g1, g2 float32) [6]float32 {
		s, a := (g0+0.5*g2)*(-2./3), g1*(math.Sqrt2/3)
		b, e := g0*(1./6)+g2*(1./3), g1*(math.Sqrt2/6)
		return [6]float32{g0, s - a, s + a, b + e, b - e, g2}
	}
	for k := range n {
		var t [3][6]float32 // t[j][i]
		for j := range t {
			p := w[k+j*tap:]
			t[j] = line(p[0], p[3*tap], p[6*tap])
		}
		for i := range 6 {
			for j, o := range line(t[0][i], t[1][i], t[2][i]) {
				u[(6*i+j)*plane+k] = o
			}
		}
	}
}

// winoProductGo is m = v*u, or m += v*u if acc is not 0, for rows tiles, ci
// channels and width outputs, and so for places, which lie mPlane, vPlane and
// uPlane floats apart.
func winoProductGo(m, v, u []float32, rows, ci, pitch, width, acc, places, mPlane, vPlane, uPlane int) {
	for p := range places {
		m, v, u := m[p*mPlane:], v[p*vPlane:], u[p*uPlane:]
		for t := range rows {
			d := m[t*width:][:width]
			if acc == 0 {
				clear(d)
			}
			for k, a := range v[t*pitch:][:ci] {
				for j, b := range u[k*width:][:width] {
					d[j] += a * b
				}
			}
		}
	}
}

// winoDotsGo is m[t] = the sum over k of v[t][k]*u[k] for rows tiles, and so for
// places.
func winoDotsGo(m, v, u []float32, rows, k, pitch, places, mPlane, vPlane, uPlane int) {
	for p := range places {
		u := u[p*uPlane:][:k]
		for t := range rows {
			sum := float32(0)
			for i, a := range v[p*vPlane+t*pitch:][:k] {
				sum += a * u[i]
			}
			m[p*mPlane+t] = sum
		}
	}
}

// winoGradientGo is v[6*i+j][k] = (AgA')[i][j] of channel k.
func winoGradientGo(v, g []float32, n, pixel, row, plane int) {
	line := func(y0, y1, y2, y3 float32) [6]float32 {
		e, f := y0+0.5*y2, (math.Sqrt2/2)*(y1+0.5*y3)
		p, q := y0+2*y2, math.Sqrt2*(y1+2*y3)
		return [6]float32{y0, e + f, e - f, p + q, p - q, y3}
	}
	for k := range n {
		var t [4][6]float32 // t[j][i]
		for j := range t {
			p := g[k+j*pixel:]
			t[j] = line(p[0], p[row], p[2*row], p[3*row])
		}
		for i := range 6 {
			for j, o := range line(t[0][i], t[1][i], t[2][i], t[3][i]) {
				v[(6*i+j)*plane+k] = o
			}
		}
	}
}

// winoSumGo is m = v'g, or m += v'g if acc is not 0, for tiles tiles, rows
// channels of v and width of g, and so for panels of m, v and g, which lie mStep,
// vStep and gStep floats apart.
func winoSumGo(m, v, g []float32, tiles, rows, pitch, width, acc, panels, mStep, vStep, gStep int) {
	for p := range panels {
		m, v, g := m[p*mStep:], v[p*vStep:], g[p*gStep:]
		if acc == 0 {
			clear(m[:rows*width])
		}
		for t := range tiles {
			for i, a := range v[t*pitch:][:rows] {
				d := m[i*width:][:width]
				for j, b := range g[t*width:][:width] {
					d[j] += a * b
				}
			}
		}
	}
}

// winoWeightsGo is w[3*i+j][k] = (G'mG)[i][j] of channel k.
func winoWeightsGo(w, m []float32, n, tap, plane int) {
	line := func(p0, p1, p2, p3, p4, p5 float32) [3]float32 {
		s1, d1, s2, d2 := p1+p2, p2-p1, p3+p4, p3-p4
		return [3]float32{p0 - s1*(2./3) + s2*(1./6), d1*(math.Sqrt2/3) + d2*(math.Sqrt2/6), (s2-s1)*(1./3) + p5}
	}
	for k := range n {
		var t [6][3]float32 // t[j][i]
		for j := range t {
			p := m[k+j*plane:]
			t[j] = line(p[0], p[6*plane], p[12*plane], p[18*plane], p[24*plane], p[30*plane])
		}
		for i := range 3 {
			for j, o := range line(t[0][i], t[1][i], t[2][i], t[3][i], t[4][i], t[5][i]) {
				w[(3*i+j)*tap+k] = o
			}
		}
	}
}
