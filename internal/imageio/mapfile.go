//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package imageio

import (
	"bytes"
	"errors"
	"io"
	"os"
	"syscall"
)

// mapFile maps a file of so many bytes into memory, until unmap is called.
func mapFile(f *os.File, size int64) (r io.ReaderAt, unmap func() error, err error) {
	if size == 0 || int64(int(size)) != size {
		return nil, nil, errors.New("cannot be mapped")
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, int(size), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, nil, err
	}
	return bytes.NewReader(b), func() error { return syscall.Munmap(b) }, nil
}
