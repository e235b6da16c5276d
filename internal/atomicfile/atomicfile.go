// Package atomicfile writes files whole or not at all: whoever reads one, after
// a crash or a full disk too, finds the old content or the new.
package atomicfile

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// Write writes a file so that path never holds half of it: write fills a
// temporary file beside path, which is flushed to disk and then renamed over
// path. When write or the disk fails, the temporary file is removed and what
// was at path stays.
func Write(path string, write func(io.Writer) error) (err error) {
	dir, base := filepath.Split(path)
	tmp := filepath.Join(dir, fmt.Sprintf(".%s.%08x.tmp", base, rand.Uint32()))
	// Not os.CreateTemp: its mode is 0600 whatever the umask says.
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(tmp)
		}
	}()
	b := bufio.NewWriterSize(f, 1<<16)
	if err = write(b); err != nil {
		return err
	}
	if err = b.Flush(); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = os.Rename(tmp, path); err != nil {
		return err
	}
	// The rename itself reaches the disk with the folder; not every system
	// lets a folder be flushed, so a failure here is no failure of the save.
	if d, e := os.Open(filepath.Dir(path)); e == nil {
		d.Sync()
		d.Close()
	}
	return nil
}
