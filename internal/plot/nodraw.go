//go:build small

package plot

import "io"

// This file makes the small program, which has only the numbers of figures.

var drawings []string

// Without says what is missing in the small program.
const Without = "; this lpn was built without drawings (-tags small)"

type drawn any

func (Style) render(io.Writer, string, []Figure) error { panic("plot: no drawings") }
