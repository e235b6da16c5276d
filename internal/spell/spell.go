// Package spell finds the name that somebody meant who mistyped it.
//
//	fmt.Errorf("unknown solver %q%s", name, spell.Hint(name, solvers))
package spell

import (
	"fmt"
	"strings"
)

// Hint is ` (did you mean "x"?)` with the Nearest of names, "" where none is
// near.
func Hint(got string, names []string) string {
	if n := Nearest(got, names); n != "" {
		return fmt.Sprintf(" (did you mean %q?)", n)
	}
	return ""
}

// Nearest returns the first of the names at the smallest Distance from got, ""
// where none is near: one slip in words of up to three letters, two in longer
// ones, and one for every three letters of long ones, but never as many as the
// name has letters. A name that got begins is near where at most three letters
// are missing, and comes before others as near.
func Nearest(got string, names []string) string {
	limit := 1
	if len(got) > 3 {
		limit = max(2, len(got)/3)
	}
	best, least := "", 0
	for _, n := range names {
		d, begun := Distance(got, n), got != "" && strings.HasPrefix(n, got)
		if d > limit && !(begun && d <= 3) || d >= len(n) {
			continue
		}
		if best == "" || d < least || d == least && begun {
			best, least = n, d
		}
	}
	return best
}

// longest is the length of words, in bytes, that are compared in full.
const longest = 64

// Distance is the number of insertions, deletions, substitutions and exchanges
// of neighbours, in bytes, that turn a into b (optimal string alignment). Words
// of more than 64 bytes are that far from all others.
func Distance(a, b string) int {
	if a == b {
		return 0
	}
	if len(a) > longest || len(b) > longest {
		return max(len(a), len(b))
	}
	var d [longest + 1][longest + 1]int
	for i := range len(a) + 1 {
		d[i][0] = i
	}
	for j := range len(b) + 1 {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			c := 1
			if a[i-1] == b[j-1] {
				c = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+c)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
