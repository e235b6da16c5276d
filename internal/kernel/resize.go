package kernel

// The routines of this file move pixels: pooling, padding, reordering and
// interpolation. Pictures are (n,h,w,c) with channels last unless they are
// called planes. dst may not overlap x.

// AvgPool is the mean of each 2x2 cell: (n,h,w,c) to (n,h/2,w/2,c), h and w
// even.
func AvgPool(dst, x []float32, n, h, w, c int) {
	whole(h, 2)
	whole(w, 2)
	same(len(x), n*h*w*c)
	same(len(x), 4*len(dst))
	row := w * c
	for o := range n * h / 2 {
		avgPoolRow(dst[o*row/2:(o+1)*row/2], x[2*o*row:(2*o+1)*row], x[(2*o+1)*row:(2*o+2)*row], c)
	}
}

// avgPoolRow pools the rows a and b.
func avgPoolRow(dst, a, b []float32, c int) {
	if avgPoolRowVec(dst, a, b, c) {
		return
	}
	for o := 0; o < len(dst); o += c {
		for k := o; k < o+c; k++ {
			i := o + k // channel k-o of pixel 2*o/c
			dst[k] = 0.25 * ((a[i] + a[i+c]) + (b[i] + b[i+c]))
		}
	}
}

// AvgPoolT is the adjoint of AvgPool: a quarter of each value to the four
// pixels under it. (n,h,w,c) are the dims of dst.
func AvgPoolT(dst, x []float32, n, h, w, c int) {
	whole(h, 2)
	whole(w, 2)
	same(len(dst), n*h*w*c)
	same(len(dst), 4*len(x))
	row := w * c
	for o := range n * h / 2 {
		r := x[o*row/2 : (o+1)*row/2]
		a, b := dst[2*o*row:(2*o+1)*row], dst[(2*o+1)*row:(2*o+2)*row]
		avgPoolTRow(a, b, r, c)
	}
}

// avgPoolTRow spreads the row x over the rows a and b.
func avgPoolTRow(a, b, x []float32, c int) {
	if avgPoolTRowVec(a, b, x, c) {
		return
	}
	for o := 0; o < len(x); o += c {
		for k := o; k < o+c; k++ {
			v := 0.25 * x[k]
			a[o+k], a[o+k+c] = v, v
		}
	}
	copy(b, a)
}

// SpaceToDepth turns r x r blocks into channels, (n,h,w,c) to
// (n,h/r,w/r,c*r*r): channel k*r*r+dy*r+dx of the result is channel k at
// offset (dy,dx) of the block.
func SpaceToDepth(dst, x []float32, n, h, w, c, r int) {
	whole(h, r)
	whole(w, r)
	same(len(dst), len(x), n*h*w*c)
	if r == 2 && len(x) > 0 && spaceToDepth2Vec(dst, x, n*h/2, w, c) {
		return
	}
	i := 0
	for y := range n * h / r {
		for dy := range r {
			for u := range w / r {
				o := (y*(w/r)+u)*c*r*r + dy*r
				for range r {
					for k, v := range x[i : i+c] {
						dst[o+k*r*r] = v
					}
					i, o = i+c, o+1
				}
			}
		}
	}
}

// DepthToSpace is the inverse (and adjoint) of SpaceToDepth; (n,h,w,c) are the
// dims of dst, the larger picture.
func DepthToSpace(dst, x []float32, n, h, w, c, r int) {
	whole(h, r)
	whole(w, r)
	same(len(dst), len(x), n*h*w*c)
	if r == 2 && len(x) > 0 && depthToSpace2Vec(dst, x, n*h/2, w, c) {
		return
	}
	i := 0
	for y := range n * h / r {
		for dy := range r {
			for u := range w / r {
				o := (y*(w/r)+u)*c*r*r + dy*r
				for range r {
					for k := range dst[i : i+c] {
						dst[i+k] = x[o+k*r*r]
					}
					i, o = i+c, o+1
				}
			}
		}
	}
}

// Interleave turns planes (n*c,h,w,1) into channels (n,h,w,c).
func Interleave(dst, x []float32, n, h, w, c int) {
	same(len(dst), len(x), n*h*w*c)
	if c == 1 {
		copy(dst, x)
		return
	}
	p := h * w
	for i := range n {
		transpose(dst[i*p*c:(i+1)*p*c], x[i*p*c:(i+1)*p*c], c, p)
	}
}

// Deinterleave turns channels (n,h,w,c) into planes (n*c,h,w,1).
func Deinterleave(dst, x []float32, n, h, w, c int) {
	same(len(dst), len(x), n*h*w*c)
	if c == 1 {
		copy(dst, x)
		return
	}
	p := h * w
	for i := range n {
		transpose(dst[i*p*c:(i+1)*p*c], x[i*p*c:(i+1)*p*c], p, c)
	}
}

// transpose turns the rows x cols matrix x into the cols x rows matrix dst.
func transpose(dst, x []float32, rows, cols int) {
	r, c := rows&^7, cols&^7
	if r > 0 && c > 0 && transposeVec(dst, x, rows, cols) {
		transposeGo(dst, x, rows, cols, 0, r, c, cols)
		transposeGo(dst, x, rows, cols, r, rows, 0, cols)
		return
	}
	transposeGo(dst, x, rows, cols, 0, rows, 0, cols)
}

// transposeGo does rows [i0,i1) and columns [j0,j1) of x, in tiles that stay
// in the first-level cache.
func transposeGo(dst, x []float32, rows, cols, i0, i1, j0, j1 int) {
	const tile = 32
	for ; i0 < i1; i0 += tile {
		for k0 := j0; k0 < j1; k0 += tile {
			k1 := min(k0+tile, j1)
			for i := i0; i < min(i0+tile, i1); i++ {
				o := k0*rows + i
				for _, v := range x[i*cols+k0 : i*cols+k1] {
					dst[o] = v
					o += rows
				}
			}
		}
	}
}

// reflect maps any index to [0,n) by half-sample symmetric reflection:
// ... 1 0 | 0 1 ... n-1 | n-1 n-2 ...
func reflect(i, n int) int {
	i %= 2 * n
	if i < 0 {
		i += 2 * n
	}
	if i >= n {
		i = 2*n - 1 - i
	}
	return i
}

func margins(m ...int) {
	for _, v := range m {
		if v < 0 {
			panic("kernel: negative margin")
		}
	}
}

// PadSym extends each of the planes (n,h,w) by half-sample symmetric
// reflection, repeated where a margin is larger than the plane: to
// (n,top+h+bottom,left+w+right).
func PadSym(dst, x []float32, n, h, w, top, bottom, left, right int) {
	margins(top, bottom, left, right)
	oh, ow := h+top+bottom, w+left+right
	same(len(x), n*h*w)
	same(len(dst), n*oh*ow)
	for p := range n {
		for y := range oh {
			r := x[(p*h+reflect(y-top, h))*w:][:w]
			d := dst[(p*oh+y)*ow:][:ow]
			for u := range left {
				d[u] = r[reflect(u-left, w)]
			}
			copy(d[left:], r)
			for u := left + w; u < ow; u++ {
				d[u] = r[reflect(u-left, w)]
			}
		}
	}
}

// PadSymT is the adjoint of PadSym: it adds the margins of the planes
// (n,top+h+bottom,left+w+right) back to where they came from, in the planes
// (n,h,w).
func PadSymT(dst, x []float32, n, h, w, top, bottom, left, right int) {
	margins(top, bottom, left, right)
	oh, ow := h+top+bottom, w+left+right
	same(len(dst), n*h*w)
	same(len(x), n*oh*ow)
	clear(dst)
	for p := range n {
		for y := range oh {
			d := dst[(p*h+reflect(y-top, h))*w:][:w]
			r := x[(p*oh+y)*ow:][:ow]
			for u := range left {
				d[reflect(u-left, w)] += r[u]
			}
			Add(d, d, r[left:left+w])
			for u := left + w; u < ow; u++ {
				d[reflect(u-left, w)] += r[u]
			}
		}
	}
}

// A tap is where a bilinear sample falls: between the samples i and j, with
// the weights 1-f and f.
type tap struct {
	i, j int
	f    float32
}

// tapAt is the sample o of out that are spread over n: half-pixel centres,
// edges clamped, in float32 as PyTorch computes it.
func tapAt(o, n, out int) tap {
	t := float32(n)/float32(out)*(float32(o)+0.5) - 0.5
	t = max(t, 0)
	i := min(int(t), n-1)
	return tap{i, min(i+1, n-1), t - float32(i)}
}

// Resize is bilinear interpolation from (n,h,w,c) to (n,oh,ow,c) with
// half-pixel centres and no antialiasing: PyTorch's interpolate with
// mode="bilinear" and align_corners=False.
func Resize(dst, x []float32, n, h, w, c, oh, ow int) {
	same(len(x), n*h*w*c)
	same(len(dst), n*oh*ow*c)
	for p := range n {
		for y := range oh {
			v := tapAt(y, h, oh)
			a, b := x[(p*h+v.i)*w*c:][:w*c], x[(p*h+v.j)*w*c:][:w*c]
			d := dst[(p*oh+y)*ow*c:][:ow*c]
			for u := range ow {
				t := tapAt(u, w, ow)
				w00, w01 := (1-v.f)*(1-t.f), (1-v.f)*t.f
				w10, w11 := v.f*(1-t.f), v.f*t.f
				if c == 1 {
					d[u] = w00*a[t.i] + w01*a[t.j] + w10*b[t.i] + w11*b[t.j]
					continue
				}
				blend(d[u*c:(u+1)*c], a[t.i*c:(t.i+1)*c], a[t.j*c:(t.j+1)*c],
					b[t.i*c:(t.i+1)*c], b[t.j*c:(t.j+1)*c], w00, w01, w10, w11)
			}
		}
	}
}

// blend is dst = kp*p + kq*q + kr*r + ks*s.
func blend(dst, p, q, r, s []float32, kp, kq, kr, ks float32) {
	if blendVec(dst, p, q, r, s, kp, kq, kr, ks) {
		return
	}
	for i := range dst {
		dst[i] = kp*p[i] + kq*q[i] + kr*r[i] + ks*s[i]
	}
}

// ResizeT is the adjoint of Resize with the same arguments: from (n,oh,ow,c)
// back to (n,h,w,c).
func ResizeT(dst, x []float32, n, h, w, c, oh, ow int) {
	same(len(dst), n*h*w*c)
	same(len(x), n*oh*ow*c)
	clear(dst)
	for p := range n {
		for y := range oh {
			v := tapAt(y, h, oh)
			a, b := dst[(p*h+v.i)*w*c:][:w*c], dst[(p*h+v.j)*w*c:][:w*c]
			d := x[(p*oh+y)*ow*c:][:ow*c]
			for u := range ow {
				t := tapAt(u, w, ow)
				w00, w01 := (1-v.f)*(1-t.f), (1-v.f)*t.f
				w10, w11 := v.f*(1-t.f), v.f*t.f
				if c == 1 {
					a[t.i] += w00 * d[u]
					a[t.j] += w01 * d[u]
					b[t.i] += w10 * d[u]
					b[t.j] += w11 * d[u]
					continue
				}
				r := d[u*c : (u+1)*c]
				Axpy(a[t.i*c:(t.i+1)*c], w00, r)
				Axpy(a[t.j*c:(t.j+1)*c], w01, r)
				Axpy(b[t.i*c:(t.i+1)*c], w10, r)
				Axpy(b[t.j*c:(t.j+1)*c], w11, r)
			}
		}
	}
}

// fixedOne is 1 in the fixed point of Interpolate: stepping along a line is
// exact, and a place is the index of a sample and, in the low half, a fraction.
const fixedOne = 1 << 32

// Interpolate adds to dst[k] the two samples of src around the place
// at + k*step, which is i+f with a whole i and 0 <= f < 1:
//
//	dst[k] += max(0, 1-slope*f)*src[i] + max(0, 1-slope*(1-f))*src[i+1].
//
// With slope 1 this is linear interpolation. With at and step those of the
// inverse map, and slope = 1/|step| at least 1, it is the transpose of that.
// Places are rounded to 2^-32, and all i and i+1 must lie in src.
func Interpolate(dst, src []float32, at, step float64, slope float32) {
	if len(dst) == 0 {
		return
	}
	p, inc := int64(at*fixedOne), int64(step*fixedOne)
	last := p + int64(len(dst)-1)*inc
	if min(p, last) < 0 || max(p, last)>>32+1 >= int64(len(src)) {
		panic("kernel: a place beyond the line")
	}
	done := interpolateVec(dst, src, p, inc, slope)
	p += int64(done) * inc
	for k := done; k < len(dst); k++ {
		i := int(p >> 32)
		f := slope * (float32(uint32(p)>>8) * (1. / (1 << 24)))
		dst[k] += max(0, 1-f)*src[i] + max(0, 1-slope+f)*src[i+1]
		p += inc
	}
}
