//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package imageio

import (
	"errors"
	"io"
	"os"
)

// mapFile fails: the file is read instead.
func mapFile(*os.File, int64) (io.ReaderAt, func() error, error) {
	return nil, nil, errors.New("cannot be mapped")
}
