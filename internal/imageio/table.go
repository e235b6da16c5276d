package imageio

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/lpn-imaging/lpn/operators"
)

// ErrNoTable is returned for files that are no table of numbers at all.
var ErrNoTable = errors.New("no table of numbers")

// maxTable is the most numbers that a text file may hold.
const maxTable = 1 << 20

// ReadTable reads a text file of numbers as a gray image, such as a blur
// kernel: a row a line, separated by blanks, commas or semicolons; what
// follows a # is a remark.
func ReadTable(path string) (operators.Image, error) {
	f, err := open(path)
	if err != nil {
		return operators.Image{}, err
	}
	defer f.Close()
	m, err := decodeTable(f)
	if err != nil {
		return operators.Image{}, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func decodeTable(r io.Reader) (operators.Image, error) {
	text, err := io.ReadAll(io.LimitReader(r, 32*maxTable))
	if err != nil {
		return operators.Image{}, err
	}
	if bytes.IndexByte(text, 0) >= 0 {
		return operators.Image{}, ErrNoTable
	}
	var m operators.Image
	m.C = 1
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 32*maxTable)
	for n := 1; lines.Scan(); n++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\r,;", r) })
		if len(words) == 0 {
			continue
		}
		if m.H > 0 && len(words) != m.W {
			return operators.Image{}, fmt.Errorf("line %d has %d numbers, the lines before it %d", n, len(words), m.W)
		}
		m.H, m.W = m.H+1, len(words)
		for _, w := range words {
			v, err := strconv.ParseFloat(w, 32)
			if err != nil || v-v != 0 {
				if len(m.Pix) == 0 {
					return operators.Image{}, ErrNoTable
				}
				return operators.Image{}, fmt.Errorf("line %d: %.20q is not a number", n, w)
			}
			m.Pix = append(m.Pix, float32(v))
		}
		if len(m.Pix) > maxTable {
			return operators.Image{}, fmt.Errorf("more than %d numbers", maxTable)
		}
	}
	if len(m.Pix) == 0 {
		return operators.Image{}, ErrNoTable
	}
	return m, nil
}
