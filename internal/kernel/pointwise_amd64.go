//go:build amd64 && !noasm

package kernel

import "math"

// Each of these does what its caller in pointwise.go, pointwise_act.go or
// resize.go would do in Go, and reports whether it did.

func addVec(dst, x, y []float32) bool {
	switch level {
	case AVX512:
		addAVX512(dst, x, y)
	case AVX2:
		addAVX2(dst, x, y)
	default:
		return false
	}
	return true
}

func mulVec(dst, x, y []float32) bool {
	switch level {
	case AVX512:
		mulAVX512(dst, x, y)
	case AVX2:
		mulAVX2(dst, x, y)
	default:
		return false
	}
	return true
}

func mulAddVec(dst, x, y []float32) bool {
	switch level {
	case AVX512:
		mulAddAVX512(dst, x, y)
	case AVX2:
		mulAddAVX2(dst, x, y)
	default:
		return false
	}
	return true
}

func scaleVec(dst, x []float32, k float32) bool {
	switch level {
	case AVX512:
		scaleAVX512(dst, x, k)
	case AVX2:
		scaleAVX2(dst, x, k)
	default:
		return false
	}
	return true
}

func axpyVec(dst []float32, k float32, x []float32) bool {
	switch level {
	case AVX512:
		axpyAVX512(dst, k, x)
	case AVX2:
		axpyAVX2(dst, k, x)
	default:
		return false
	}
	return true
}

func rampVec(dst, x []float32) bool {
	switch level {
	case AVX512:
		rampAVX512(dst, x)
	case AVX2:
		rampAVX2(dst, x)
	default:
		return false
	}
	return true
}

func halfSquareVec(dst, x []float32) bool {
	switch level {
	case AVX512:
		halfSquareAVX512(dst, x)
	case AVX2:
		halfSquareAVX2(dst, x)
	default:
		return false
	}
	return true
}

func blendVec(dst, p, q, r, s []float32, kp, kq, kr, ks float32) bool {
	switch level {
	case AVX512:
		blendAVX512(dst, p, q, r, s, kp, kq, kr, ks)
	case AVX2:
		blendAVX2(dst, p, q, r, s, kp, kq, kr, ks)
	default:
		return false
	}
	return true
}

func addBiasVec(dst, x, b []float32) bool {
	switch level {
	case AVX512:
		addBiasAVX512(dst, x, b)
	case AVX2:
		addBiasAVX2(dst, x, b)
	default:
		return false
	}
	return true
}

func mulChannelVec(dst, x, c []float32) bool {
	switch level {
	case AVX512:
		mulChannelAVX512(dst, x, c)
	case AVX2:
		mulChannelAVX2(dst, x, c)
	default:
		return false
	}
	return true
}

func expVec(dst, x []float32) bool {
	switch level {
	case AVX512:
		expAVX512(dst, x)
	case AVX2:
		expAVX2(dst, x)
	default:
		return false
	}
	return true
}

func softplusD2Vec(dst, x []float32, beta float32) bool {
	switch level {
	case AVX512:
		softplusD2AVX512(dst, x, beta*math.Log2E, beta)
	case AVX2:
		softplusD2AVX2(dst, x, beta*math.Log2E, beta)
	default:
		return false
	}
	return true
}

func hardGateD2Vec(dst, x []float32) bool {
	switch level {
	case AVX512:
		hardGateD2AVX512(dst, x)
	case AVX2:
		hardGateD2AVX2(dst, x)
	default:
		return false
	}
	return true
}

func adamVec(w, g, m, v []float32, k *adam) bool {
	switch level {
	case AVX512:
		adamStepAVX512(w, g, m, v, &k.b1)
	case AVX2:
		adamStepAVX2(w, g, m, v, &k.b1)
	default:
		return false
	}
	return true
}

func softplusVec(z, s, x, bias []float32, beta float32) bool {
	b, n, scale, inv := &bias[0], len(bias), beta*math.Log2E, 1/beta
	switch {
	case level == Generic:
		return false
	case level == AVX512 && s == nil:
		softplusZAVX512(z, x, b, n, scale, inv)
	case level == AVX512 && z == nil:
		softplusSAVX512(s, x, b, n, scale, inv)
	case level == AVX512:
		softplusAVX512(z, s, x, b, n, scale, inv)
	case s == nil:
		softplusZAVX2(z, x, b, n, scale, inv)
	case z == nil:
		softplusSAVX2(s, x, b, n, scale, inv)
	default:
		softplusAVX2(z, s, x, b, n, scale, inv)
	}
	return true
}

func hardGateVec(z, s, x []float32) bool {
	switch {
	case level == Generic:
		return false
	case level == AVX512 && s == nil:
		hardGateZAVX512(z, x)
	case level == AVX512 && z == nil:
		hardGateSAVX512(s, x)
	case level == AVX512:
		hardGateAVX512(z, s, x)
	case s == nil:
		hardGateZAVX2(z, x)
	case z == nil:
		hardGateSAVX2(s, x)
	default:
		hardGateAVX2(z, s, x)
	}
	return true
}

func huberVec(z, s, x []float32, threshold float32) bool {
	switch {
	case level == Generic:
		return false
	case level == AVX512 && s == nil:
		huberZAVX512(z, x, threshold)
	case level == AVX512 && z == nil:
		huberSAVX512(s, x, threshold)
	case level == AVX512:
		huberAVX512(z, s, x, threshold)
	case s == nil:
		huberZAVX2(z, x, threshold)
	case z == nil:
		huberSAVX2(s, x, threshold)
	default:
		huberAVX2(z, s, x, threshold)
	}
	return true
}

// channelSumVec does blocks of 16 channels and leaves the rest to Go.
func channelSumVec(dst []float64, x []float32) bool {
	if level == Generic || len(x) == 0 {
		return false
	}
	n, c := len(x)/len(dst), 0
	for ; c+16 <= len(dst); c += 16 {
		if level == AVX512 {
			channelSumAVX512(&dst[c], &x[c], n, len(dst))
		} else {
			channelSumAVX2(&dst[c], &x[c], n, len(dst))
		}
	}
	for i := 0; i < len(x) && c < len(dst); i += len(dst) {
		for j := c; j < len(dst); j++ {
			dst[j] += float64(x[i+j])
		}
	}
	return true
}

func dotVec(sum *[lanes]float64, x, y []float32) int {
	n := len(x) &^ (lanes - 1)
	switch level {
	case AVX512:
		dotAVX512(&sum[0], x[:n], y[:n])
	case AVX2:
		dotAVX2(&sum[0], x[:n], y[:n])
	default:
		return 0
	}
	return n
}

func squaredErrorVec(sum *[lanes]float64, x, y []float32) int {
	n := len(x) &^ (lanes - 1)
	switch level {
	case AVX512:
		squaredErrorAVX512(&sum[0], x[:n], y[:n])
	case AVX2:
		squaredErrorAVX2(&sum[0], x[:n], y[:n])
	default:
		return 0
	}
	return n
}

func absErrorVec(sum *[lanes]float64, x, y []float32) int {
	n := len(x) &^ (lanes - 1)
	switch level {
	case AVX512:
		absErrorAVX512(&sum[0], x[:n], y[:n])
	case AVX2:
		absErrorAVX2(&sum[0], x[:n], y[:n])
	default:
		return 0
	}
	return n
}

func expandVec(dst, x []float32, per int) bool {
	switch {
	case per != 16 || level == Generic:
		return false
	case level == AVX512:
		expand16AVX512(dst, x)
	default:
		expand16AVX2(dst, x)
	}
	return true
}

func groupSumVec(dst, x []float32, per int) bool {
	switch {
	case per != 16 || level == Generic:
		return false
	case level == AVX512:
		groupSum16AVX512(dst, x)
	default:
		groupSum16AVX2(dst, x)
	}
	return true
}

func expandMulVec(dst, s, v []float32, per int) bool {
	switch {
	case per != 16 || level == Generic:
		return false
	case level == AVX512:
		expandMul16AVX512(dst, s, v)
	default:
		expandMul16AVX2(dst, s, v)
	}
	return true
}

func softmaxGradVec(dst, s, g []float32, per int) bool {
	switch {
	case per != 16 || level == Generic:
		return false
	case level == AVX512:
		softmaxGrad16AVX512(dst, s, g)
	default:
		softmaxGrad16AVX2(dst, s, g)
	}
	return true
}

func logSumExpVec(z, s, x []float32, per int) bool {
	switch {
	case per != 16 || level == Generic:
		return false
	case level == AVX512 && s == nil:
		logSumExpZ16AVX512(z, x)
	case level == AVX512 && z == nil:
		softmax16AVX512(s, x)
	case level == AVX512:
		logSumExp16AVX512(z, s, x)
	case s == nil:
		logSumExpZ16AVX2(z, x)
	case z == nil:
		softmax16AVX2(s, x)
	default:
		logSumExp16AVX2(z, s, x)
	}
	return true
}

func avgPoolRowVec(dst, a, b []float32, c int) bool {
	switch {
	case level == AVX512 && c%16 == 0:
		avgPoolRowAVX512(dst, a, b, c)
	case level != Generic && c%8 == 0:
		avgPoolRowAVX2(dst, a, b, c)
	default:
		return false
	}
	return true
}

func avgPoolTRowVec(a, b, x []float32, c int) bool {
	switch {
	case level == AVX512 && c%16 == 0:
		avgPoolTRowAVX512(a, b, x, c)
	case level != Generic && c%8 == 0:
		avgPoolTRowAVX2(a, b, x, c)
	default:
		return false
	}
	return true
}

// transposeVec does the whole blocks of 8x8.
func transposeVec(dst, x []float32, rows, cols int) bool {
	if level == Generic {
		return false
	}
	for i := 0; i+8 <= rows; i += 8 {
		transpose8AVX2(&dst[i], &x[i*cols], cols/8, rows, cols)
	}
	return true
}

// spaceToDepth2Vec does rows pairs of rows of w pixels.
func spaceToDepth2Vec(dst, x []float32, rows, w, c int) bool {
	if level == Generic || c%4 != 0 {
		return false
	}
	for y := range rows {
		i := 2 * y * w * c
		spaceToDepth2AVX2(&dst[i], &x[i], &x[i+w*c], w/2, c)
	}
	return true
}

func depthToSpace2Vec(dst, x []float32, rows, w, c int) bool {
	if level == Generic || c%4 != 0 {
		return false
	}
	for y := range rows {
		i := 2 * y * w * c
		depthToSpace2AVX2(&x[i], &dst[i], &dst[i+w*c], w/2, c)
	}
	return true
}

// permuting lists the routines that permute the samples of a block, by their span: the
// number of samples that the places of a block may be apart, of which they read one more.
var permuting = []struct {
	span, block int64
	level       Level
	routine     func(dst, src *float32, blocks int, p, inc int64, slope float32)
}{
	{32, 16, AVX512, interpolate32AVX512},
	{8, 8, AVX2, interpolate8AVX2},
}

func interpolateVec(dst, src []float32, p, inc int64, slope float32) int {
	if level == Generic {
		return 0
	}
	done := 0
	for _, r := range permuting {
		n := int64(len(dst)-done) &^ (r.block - 1)
		if level < r.level || n == 0 || max(inc, -inc)*(r.block-1) > (r.span-1)*fixedOne {
			continue
		}
		// The largest of the first samples of a block.
		first := p + (r.block-1)*min(inc, 0)
		first = max(first, first+(n-r.block)*inc) >> 32
		if first+r.span+1 <= int64(len(src)) {
			r.routine(&dst[done], &src[0], int(n/r.block), p, inc, slope)
			done += int(n)
			p += n * inc
		}
	}
	if n := (len(dst) - done) &^ 7; n > 0 {
		interpolateAVX2(&dst[done], &src[0], n/8, p, inc, slope)
		done += n
	}
	return done
}
