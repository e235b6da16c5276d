//go:build !noasm

package kernel

import "math"

// Each of these does what its caller in pointwise.go, pointwise_act.go or
// resize.go would do in Go, and reports whether it did.

func addVec(dst, x, y []float32) bool {
	if level == Generic {
		return false
	}
	addNEON(dst, x, y)
	return true
}

func mulVec(dst, x, y []float32) bool {
	if level == Generic {
		return false
	}
	mulNEON(dst, x, y)
	return true
}

func mulAddVec(dst, x, y []float32) bool {
	if level == Generic {
		return false
	}
	mulAddNEON(dst, x, y)
	return true
}

func scaleVec(dst, x []float32, k float32) bool {
	if level == Generic {
		return false
	}
	scaleNEON(dst, x, k)
	return true
}

func axpyVec(dst []float32, k float32, x []float32) bool {
	if level == Generic {
		return false
	}
	axpyNEON(dst, k, x)
	return true
}

func rampVec(dst, x []float32) bool {
	if level == Generic {
		return false
	}
	rampNEON(dst, x)
	return true
}

func halfSquareVec(dst, x []float32) bool {
	if level == Generic {
		return false
	}
	halfSquareNEON(dst, x)
	return true
}

func blendVec(dst, p, q, r, s []float32, kp, kq, kr, ks float32) bool {
	if level == Generic {
		return false
	}
	blendNEON(dst, p, q, r, s, kp, kq, kr, ks)
	return true
}

func addBiasVec(dst, x, b []float32) bool {
	if level == Generic {
		return false
	}
	addBiasNEON(dst, x, b)
	return true
}

func mulChannelVec(dst, x, c []float32) bool {
	if level == Generic {
		return false
	}
	mulChannelNEON(dst, x, c)
	return true
}

func expVec(dst, x []float32) bool {
	if level == Generic {
		return false
	}
	expNEON(dst, x)
	return true
}

func softplusD2Vec(dst, x []float32, beta float32) bool {
	if level == Generic {
		return false
	}
	softplusD2NEON(dst, x, beta*math.Log2E, beta)
	return true
}

func hardGateD2Vec(dst, x []float32) bool {
	if level == Generic {
		return false
	}
	hardGateD2NEON(dst, x)
	return true
}

func adamVec(w, g, m, v []float32, k *adam) bool {
	if level == Generic {
		return false
	}
	adamStepNEON(w, g, m, v, &k.b1)
	return true
}

func softplusVec(z, s, x, bias []float32, beta float32) bool {
	b, n, scale, inv := &bias[0], len(bias), beta*math.Log2E, 1/beta
	switch {
	case level == Generic:
		return false
	case s == nil:
		softplusZNEON(z, x, b, n, scale, inv)
	case z == nil:
		softplusSNEON(s, x, b, n, scale, inv)
	default:
		softplusNEON(z, s, x, b, n, scale, inv)
	}
	return true
}

func hardGateVec(z, s, x []float32) bool {
	switch {
	case level == Generic:
		return false
	case s == nil:
		hardGateZNEON(z, x)
	case z == nil:
		hardGateSNEON(s, x)
	default:
		hardGateNEON(z, s, x)
	}
	return true
}

func huberVec(z, s, x []float32, threshold float32) bool {
	switch {
	case level == Generic:
		return false
	case s == nil:
		huberZNEON(z, x, threshold)
	case z == nil:
		huberSNEON(s, x, threshold)
	default:
		huberNEON(z, s, x, threshold)
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
		channelSumNEON(&dst[c], &x[c], n, len(dst))
	}
	for i := 0; i < len(x) && c < len(dst); i += len(dst) {
		for j := c; j < len(dst); j++ {
			dst[j] += float64(x[i+j])
		}
	}
	return true
}

func dotVec(sum *[lanes]float64, x, y []float32) int {
	if level == Generic {
		return 0
	}
	n := len(x) &^ (lanes - 1)
	dotNEON(&sum[0], x[:n], y[:n])
	return n
}

func squaredErrorVec(sum *[lanes]float64, x, y []float32) int {
	if level == Generic {
		return 0
	}
	n := len(x) &^ (lanes - 1)
	squaredErrorNEON(&sum[0], x[:n], y[:n])
	return n
}

func absErrorVec(sum *[lanes]float64, x, y []float32) int {
	if level == Generic {
		return 0
	}
	n := len(x) &^ (lanes - 1)
	absErrorNEON(&sum[0], x[:n], y[:n])
	return n
}

func expandVec(dst, x []float32, per int) bool {
	if level == Generic || per != 16 {
		return false
	}
	expand16NEON(dst, x)
	return true
}

func groupSumVec(dst, x []float32, per int) bool {
	if level == Generic || per != 16 {
		return false
	}
	groupSum16NEON(dst, x)
	return true
}

func expandMulVec(dst, s, v []float32, per int) bool {
	if level == Generic || per != 16 {
		return false
	}
	expandMul16NEON(dst, s, v)
	return true
}

func softmaxGradVec(dst, s, g []float32, per int) bool {
	if level == Generic || per != 16 {
		return false
	}
	softmaxGrad16NEON(dst, s, g)
	return true
}

func logSumExpVec(z, s, x []float32, per int) bool {
	switch {
	case level == Generic || per != 16:
		return false
	case s == nil:
		logSumExpZ16NEON(z, x)
	case z == nil:
		softmax16NEON(s, x)
	default:
		logSumExp16NEON(z, s, x)
	}
	return true
}

func avgPoolRowVec(dst, a, b []float32, c int) bool {
	if level == Generic || c%4 != 0 {
		return false
	}
	avgPoolRowNEON(dst, a, b, c)
	return true
}

func avgPoolTRowVec(a, b, x []float32, c int) bool {
	if level == Generic || c%4 != 0 {
		return false
	}
	avgPoolTRowNEON(a, b, x, c)
	return true
}

// transposeVec does the whole blocks of 8x8.
func transposeVec(dst, x []float32, rows, cols int) bool {
	if level == Generic {
		return false
	}
	for i := 0; i < rows&^7; i += 4 {
		transpose4NEON(&dst[i], &x[i*cols], cols/8*2, rows, cols)
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
		spaceToDepth2NEON(&dst[i], &x[i], &x[i+w*c], w/2, c)
	}
	return true
}

func depthToSpace2Vec(dst, x []float32, rows, w, c int) bool {
	if level == Generic || c%4 != 0 {
		return false
	}
	for y := range rows {
		i := 2 * y * w * c
		depthToSpace2NEON(&x[i], &dst[i], &dst[i+w*c], w/2, c)
	}
	return true
}

func interpolateVec(dst, src []float32, p, inc int64, slope float32) int {
	n := len(dst) &^ 3
	if level == Generic || n == 0 {
		return 0
	}
	interpolateNEON(&dst[0], &src[0], n/4, p, inc, slope)
	return n
}
