// Package page holds the page of lpn explore as it was built: dist is made of src, in
// TypeScript, by go generate, which needs Node and npm. dist is kept with the source so
// that a build of the program needs neither; a test holds the one against the other.
package page

import (
	"embed"
	"io/fs"
)

//go:generate npm ci --no-audit --no-fund
//go:generate npm run build

//go:embed dist
var dist embed.FS

// Files are the files of the page, index.html at the top.
func Files() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the name is a constant
	}
	return files
}
