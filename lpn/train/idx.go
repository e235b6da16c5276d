package train

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxIDX bounds the pixels of one idx file.
const maxIDX = 1 << 31

// readIDX reads the images of an idx file (the format of MNIST), compressed
// with gzip or not: two zero bytes, the type 8 (unsigned byte), the number of
// dims 3, then n, h, w as big-endian uint32 and n*h*w bytes, row-major. Memory
// grows with what is read, not with what the header promises.
func readIDX(r io.Reader) (n, h, w int, pix []byte, err error) {
	b := bufio.NewReader(r)
	if m, _ := b.Peek(2); bytes.Equal(m, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(b)
		if err != nil {
			return 0, 0, 0, nil, fmt.Errorf("gzip: %w", err)
		}
		defer z.Close()
		r = z
	} else {
		r = b
	}
	var head [16]byte
	if _, err := io.ReadFull(r, head[:4]); err != nil || head[0] != 0 || head[1] != 0 {
		return 0, 0, 0, nil, errors.New("not an idx file")
	}
	if head[2] != 8 || head[3] != 3 {
		return 0, 0, 0, nil, fmt.Errorf("idx of type %#02x with %d dims, want images: type 0x08 (bytes) with 3 dims", head[2], head[3])
	}
	if _, err := io.ReadFull(r, head[4:]); err != nil {
		return 0, 0, 0, nil, errors.New("idx header is cut short")
	}
	be := binary.BigEndian
	a, b1, c := int64(be.Uint32(head[4:])), int64(be.Uint32(head[8:])), int64(be.Uint32(head[12:]))
	if a < 1 || b1 < 1 || c < 1 || a > maxIDX || b1 > maxIDX/a || c > maxIDX/a/b1 {
		return 0, 0, 0, nil, fmt.Errorf("idx of %dx%dx%d bytes, want 1 to %d in all", a, b1, c, maxIDX)
	}
	size := a * b1 * c
	var buf bytes.Buffer
	got, err := io.Copy(&buf, io.LimitReader(r, size))
	if err != nil {
		return 0, 0, 0, nil, fmt.Errorf("idx: %w", err)
	}
	if got < size {
		return 0, 0, 0, nil, fmt.Errorf("idx holds %d bytes of %d: the file is cut short", got, size)
	}
	return int(a), int(b1), int(c), buf.Bytes(), nil
}
