package main

import (
	"embed"
	"io/fs"
)

// builtinFiles holds the priors that ship with the program.
var builtinFiles fs.FS = embed.FS{}
