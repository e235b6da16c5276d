package main

import (
	"io/fs"
	"testing/fstest"
)

// builtinFiles holds the priors that ship with the program.
var builtinFiles fs.FS = fstest.MapFS{}
