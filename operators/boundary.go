package operators

import (
	"fmt"
	"strings"

	"github.com/lpn-imaging/lpn/internal/spell"
)

// A Boundary says how a blur continues the image beyond the frame. The rows show how
// a b c d continues to both sides.
type Boundary int

const (
	// Symmetric mirrors about the edge of the last pixel: c b a|a b c d|d c b.
	Symmetric Boundary = iota
	// Circular repeats the picture: b c d|a b c d|a b c.
	Circular
	// Reflect mirrors about the centre of the last pixel: d c b|a b c d|c b a.
	Reflect
	// Replicate repeats the last pixel: a a a|a b c d|d d d.
	Replicate
	// Zero is black: 0 0 0|a b c d|0 0 0.
	Zero
	// Valid assumes nothing: the scene is larger than the measurement, which
	// holds only the pixels whose whole neighbourhood lies inside the scene.
	Valid
)

var boundaryNames = []string{"symmetric", "circular", "reflect", "replicate", "zero", "valid"}

// String is the boundary's name in operator specs.
func (b Boundary) String() string {
	if b < 0 || int(b) >= len(boundaryNames) {
		return fmt.Sprintf("Boundary(%d)", int(b))
	}
	return boundaryNames[b]
}

// ParseBoundary reads a boundary's name; the empty string means symmetric.
func ParseBoundary(name string) (Boundary, error) {
	if name == "" {
		return Symmetric, nil
	}
	for i, n := range boundaryNames {
		if n == name {
			return Boundary(i), nil
		}
	}
	return 0, fmt.Errorf("unknown boundary %q%s; want %s", name,
		spell.Hint(name, boundaryNames), strings.Join(boundaryNames, ", "))
}

// source returns the index in [0, n) of the sample seen at position i of a
// line of n samples, or -1 for black.
func (b Boundary) source(i, n int) int {
	if i >= 0 && i < n {
		return i
	}
	switch b {
	case Circular:
		return mod(i, n)
	case Symmetric:
		i = mod(i, 2*n)
		return min(i, 2*n-1-i)
	case Reflect:
		if n == 1 {
			return 0
		}
		i = mod(i, 2*n-2)
		return min(i, 2*n-2-i)
	case Replicate:
		return min(max(i, 0), n-1)
	}
	return -1
}

func mod(i, n int) int {
	i %= n
	if i < 0 {
		i += n
	}
	return i
}
