package main

import (
	"io/fs"

	"github.com/lpn-imaging/lpn/assets"
)

// builtinFiles holds the priors that ship with the program.
var builtinFiles fs.FS = assets.Priors()
