package imageio

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/lpn-imaging/lpn/operators"
)

// The portable maps of Netpbm (PGM and PPM, P2, P3, P5, P6; netpbm's pgm(5)
// and ppm(5)) and the portable float map (PFM: Pf, PF), whose samples are
// linear light and whose rows go upwards.

type pnmFile struct {
	r    io.ReaderAt
	size int64
}

func openPNM(r io.ReaderAt, size int64) (source, error) { return &pnmFile{r, size}, nil }

func (f *pnmFile) Pages() int { return 1 }

// A pnmReader reads words of a header, without remarks, and counts.
type pnmReader struct {
	*bufio.Reader
	read int64
}

// word is the next word and eats the one blank after it.
func (r *pnmReader) word() (string, error) {
	var w []byte
	remark := false
	for {
		b, err := r.ReadByte()
		if err != nil {
			if len(w) > 0 && err == io.EOF {
				return string(w), nil
			}
			return "", io.ErrUnexpectedEOF
		}
		r.read++
		blank := b == ' ' || b >= '\t' && b <= '\r'
		switch {
		case remark:
			remark = b != '\n'
		case b == '#':
			remark = true
		case blank && len(w) > 0:
			return string(w), nil
		case !blank:
			if w = append(w, b); len(w) > 40 {
				return "", errors.New("its header is no text")
			}
		}
	}
}

func (r *pnmReader) number() (int, error) {
	w, err := r.word()
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseUint(w, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%.20q in its header is no number", w)
	}
	return int(v), nil
}

func (f *pnmFile) Page(int) (*Picture, error) {
	p, err := f.page()
	if err != nil {
		return nil, damaged("PNM", err)
	}
	return p, nil
}

func (f *pnmFile) page() (*Picture, error) {
	r := &pnmReader{Reader: bufio.NewReaderSize(io.NewSectionReader(f.r, 0, f.size), 1<<16)}
	magic, err := r.word()
	if err != nil {
		return nil, err
	}
	s := operators.Shape{C: 1}
	if magic == "P3" || magic == "P6" || magic == "PF" {
		s.C = 3
	}
	if s.W, err = r.number(); err != nil {
		return nil, err
	}
	if s.H, err = r.number(); err != nil {
		return nil, err
	}
	last, err := r.word() // the largest level, or the scale of floats
	if err != nil {
		return nil, err
	}
	left := f.size - r.read
	float := magic == "PF" || magic == "Pf"
	full, err := strconv.ParseFloat(last, 64)
	if err != nil || full == 0 || !float && (full < 1 || full > 65535 || full != math.Trunc(full)) {
		return nil, fmt.Errorf("%.20q in its header is no scale", last)
	}
	width := int64(1) // of a sample in the file
	switch {
	case float:
		width = 4
	case magic == "P2" || magic == "P3":
		width = 1
	case full > 255:
		width = 2
	}
	if err := checkSize(s.C, s.H, s.W, left, 1); err != nil {
		return nil, err
	}
	if int64(s.Len())*width > left+1 { // the last number of a text needs no blank
		return nil, io.ErrUnexpectedEOF
	}
	p := &Picture{Image: operators.NewImage(s)}
	switch {
	case float:
		p.typed('f', 32)
		p.Linear = true
	case full > 255:
		p.typed('u', 16)
	default:
		p.typed('u', 8)
	}
	if !float {
		p.Scale = full
	}
	text := magic == "P2" || magic == "P3"
	row := make([]byte, int64(s.C*s.W)*width)
	for i := range s.H {
		if !text {
			if _, err := io.ReadFull(r, row); err != nil {
				return nil, err
			}
		}
		y := i
		if float {
			y = s.H - 1 - i
		}
		for x := range s.W {
			for c := range s.C {
				var v float32
				at := int64(x*s.C+c) * width
				switch {
				case text:
					n, err := r.number()
					if err != nil {
						return nil, err
					}
					v = float32(min(float64(n), full)) / float32(full)
				case float && full < 0:
					v = math.Float32frombits(binary.LittleEndian.Uint32(row[at:]))
				case float:
					v = math.Float32frombits(binary.BigEndian.Uint32(row[at:]))
				case width == 2:
					v = min(float32(binary.BigEndian.Uint16(row[at:]))/float32(full), 1)
				default:
					v = min(float32(row[at])/float32(full), 1)
				}
				p.Pix[(c*s.H+y)*s.W+x] = v
			}
		}
	}
	return p, p.absent(nil)
}

// A pfmWriter writes one page as a little-endian PFM.
type pfmWriter struct{ w io.Writer }

func (e *pfmWriter) close() error { return nil }

func (e *pfmWriter) page(p *Picture) error {
	magic := "Pf"
	if p.C == 3 {
		magic = "PF"
	}
	if _, err := fmt.Fprintf(e.w, "%s\n%d %d\n-1.0\n", magic, p.W, p.H); err != nil {
		return err
	}
	q := *p
	q.Alpha = nil
	k := newPacker(&q, 32)
	k.little = true
	row := make([]byte, p.W*k.pixelBytes())
	for y := p.H - 1; y >= 0; y-- {
		k.row(row, y)
		if _, err := e.w.Write(row); err != nil {
			return err
		}
	}
	return nil
}
