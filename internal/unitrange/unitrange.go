// Package unitrange finds out which numbers of pictures are black and white.
package unitrange

import "slices"

// Robust sorts v and returns the least and the largest of its numbers without the lowest
// and the highest thousandth. v must not be empty, nor hold a NaN.
func Robust(v []float32) (lo, hi float64) {
	slices.Sort(v)
	k := len(v) / 1000
	return float64(v[k]), float64(v[len(v)-1-k])
}

// Like reports whether samples with the robust range from lo to hi are taken to be in [0,1]
// already: nothing is far outside, and they are not all in a small part of it.
func Like(lo, hi float64) bool {
	const beyond, least = 0.5, 0.2
	return lo >= -beyond && hi <= 1+beyond && hi >= least
}
