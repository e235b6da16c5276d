//go:build (!amd64 && !arm64) || noasm

package kernel

func addVec(dst, x, y []float32) bool                                    { return false }
func mulVec(dst, x, y []float32) bool                                    { return false }
func mulAddVec(dst, x, y []float32) bool                                 { return false }
func scaleVec(dst, x []float32, k float32) bool                          { return false }
func axpyVec(dst []float32, k float32, x []float32) bool                 { return false }
func rampVec(dst, x []float32) bool                                      { return false }
func halfSquareVec(dst, x []float32) bool                                { return false }
func addBiasVec(dst, x, b []float32) bool                                { return false }
func mulChannelVec(dst, x, c []float32) bool                             { return false }
func channelSumVec(dst []float64, x []float32) bool                      { return false }
func expandVec(dst, x []float32, per int) bool                           { return false }
func groupSumVec(dst, x []float32, per int) bool                         { return false }
func expandMulVec(dst, s, v []float32, per int) bool                     { return false }
func dotVec(s *[lanes]float64, x, y []float32) int                       { return 0 }
func squaredErrorVec(s *[lanes]float64, x, y []float32) int              { return 0 }
func absErrorVec(s *[lanes]float64, x, y []float32) int                  { return 0 }
func adamVec(w, g, m, v []float32, k *adam) bool                         { return false }
func expVec(dst, x []float32) bool                                       { return false }
func softplusVec(z, s, x, bias []float32, beta float32) bool             { return false }
func softplusD2Vec(dst, x []float32, beta float32) bool                  { return false }
func hardGateVec(z, s, x []float32) bool                                 { return false }
func huberVec(z, s, x []float32, threshold float32) bool                 { return false }
func hardGateD2Vec(dst, x []float32) bool                                { return false }
func logSumExpVec(z, s, x []float32, per int) bool                       { return false }
func softmaxGradVec(dst, s, g []float32, per int) bool                   { return false }
func blendVec(dst, p, q, r, s []float32, kp, kq, kr, ks float32) bool    { return false }
func avgPoolRowVec(dst, a, b []float32, c int) bool                      { return false }
func avgPoolTRowVec(a, b, x []float32, c int) bool                       { return false }
func transposeVec(dst, x []float32, rows, cols int) bool                 { return false }
func spaceToDepth2Vec(dst, x []float32, rows, w, c int) bool             { return false }
func depthToSpace2Vec(dst, x []float32, rows, w, c int) bool             { return false }
func interpolateVec(dst, src []float32, p, inc int64, slope float32) int { return 0 }
