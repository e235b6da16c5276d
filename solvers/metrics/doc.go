// Package metrics measures how close an estimate is to the truth.
//
// [PSNR], [SSIM] and [MSSSIM] follow the conventions used throughout: pictures with
// data range 1, the estimate clipped to [0,1], the full frame, no rounding to
// 8 bits. SSIM agrees with scikit-image's structural_similarity at its
// defaults, MSSSIM with pytorch-msssim for
// pictures whose sides are even at every scale.
package metrics
