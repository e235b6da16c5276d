package assets

import (
	"embed"
	"io/fs"
)

//go:embed priors/*.safetensors
var files embed.FS

// Priors holds the shipped priors, NAME.safetensors each.
func Priors() fs.FS {
	sub, err := fs.Sub(files, "priors")
	if err != nil {
		panic(err) // the name is a valid path
	}
	return sub
}
