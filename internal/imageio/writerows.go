package imageio

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"

	"github.com/lpn-imaging/lpn/operators"
)

// WriteRows writes a picture that is too large to be held: bands are its rows from the
// first to the last, some in each, and frame is the rest, with an Alpha that is not nil
// where the bands have one. A TIFF and an .npy are written band by band; a TIFF is spooled,
// deflated, beside path until its length is known. For other formats the picture is put
// together in memory. The file is that of [Write] for the whole picture, byte by byte, and
// all of it or nothing. An error that bands yields is returned.
func WriteRows(path string, frame *Picture, bands iter.Seq2[*Picture, error], o Options) error {
	if o.Format == "" {
		format, err := FormatOf(path)
		if err != nil {
			return err
		}
		o.Format = format
	}
	bands = complete(frame, bands)
	switch o.Format {
	case "npy":
		return Atomic(path, func(w io.Writer) error {
			e := &npyWriter{w: w, pages: 1}
			if err := e.head(frame); err != nil {
				return err
			}
			for p, err := range bands {
				if err == nil {
					err = e.rows(p)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	case "tiff":
		return writeRowsTIFF(path, frame, bands, o)
	}
	var all *Picture
	for p, err := range bands {
		if err != nil {
			return err
		}
		all = stack(all, p)
	}
	if all == nil {
		return errors.New("a picture without rows")
	}
	whole := *frame
	whole.Image, whole.Alpha, whole.Missing = all.Image, all.Alpha, all.Missing
	return Write(path, &whole, o)
}

// complete ends with an error where the bands are not the rows of frame.
func complete(frame *Picture, bands iter.Seq2[*Picture, error]) iter.Seq2[*Picture, error] {
	return func(yield func(*Picture, error) bool) {
		rows := 0
		for p, err := range bands {
			if err == nil {
				rows += p.H
				switch {
				case p.C != frame.C || p.W != frame.W || rows > frame.H || p.H == 0:
					err = fmt.Errorf("rows %d to %d of %s in a picture of %s", rows-p.H, rows, sizeOf(p), sizeOf(frame))
				case (p.Alpha != nil) != (frame.Alpha != nil):
					err = errors.New("opacity of some rows")
				}
			}
			if !yield(p, err) || err != nil {
				return
			}
		}
		if rows < frame.H {
			yield(nil, fmt.Errorf("%d rows of %d", rows, frame.H))
		}
	}
}

func writeRowsTIFF(path string, frame *Picture, bands iter.Seq2[*Picture, error], o Options) (err error) {
	if o.Compression != "" && o.Compression != "fast" && o.Compression != "small" {
		return fmt.Errorf("compression %q: use fast or small", o.Compression)
	}
	depth, err := o.bits(frame)
	if err != nil {
		return err
	}
	spool, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("%s: cannot be written: %w", path, reason(err))
	}
	defer os.Remove(spool.Name())
	defer spool.Close()
	e := &tiffWriter{o: o, bits: depth, left: 1}
	packed := bufio.NewWriterSize(spool, 1<<16)
	var counts []int64
	deflate := func(p *Picture) error {
		return e.strips(p, func(b []byte) error {
			counts = append(counts, int64(len(b)))
			_, err := packed.Write(b)
			return err
		})
	}
	var left *Picture // rows that do not fill a strip
	strip := e.stripRows(frame)
	for p, err := range bands {
		if err != nil {
			return err
		}
		for i, v := range p.Pix {
			if v != v {
				return fmt.Errorf("the picture has samples that are not numbers (NaN), one is %d of some rows", i)
			}
		}
		p = stack(left, p)
		whole := p.H / strip * strip
		if whole > 0 {
			if err := deflate(rowsOf(p, 0, whole)); err != nil {
				return err
			}
		}
		if left = nil; whole < p.H {
			left = rowsOf(p, whole, p.H)
		}
	}
	if left != nil {
		if err := deflate(left); err != nil {
			return err
		}
	}
	if err := packed.Flush(); err != nil {
		return err
	}
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return Atomic(path, func(w io.Writer) error {
		e.w = w
		if err := e.begin(frame); err != nil {
			return err
		}
		return e.put(frame, counts, func() error {
			_, err := io.Copy(w, spool)
			return err
		})
	})
}

// rowsOf is rows from to to of p.
func rowsOf(p *Picture, from, to int) *Picture {
	if from == 0 && to == p.H {
		return p
	}
	q := *p
	q.Image = operators.NewImage(operators.Shape{C: p.C, H: to - from, W: p.W})
	if p.Missing != nil {
		q.Missing = make([]bool, q.Len())
	}
	if p.Alpha != nil {
		q.Alpha = p.Alpha[from*p.W : to*p.W]
	}
	n, m := q.H*p.W, p.H*p.W
	for c := range p.C {
		copy(q.Plane(c), p.Plane(c)[from*p.W:])
		if p.Missing != nil {
			copy(q.Missing[c*n:(c+1)*n], p.Missing[c*m+from*p.W:])
		}
	}
	return &q
}

// stack is p below the rows of above, which may be nil.
func stack(above, p *Picture) *Picture {
	if above == nil {
		return p
	}
	q := *p
	q.Image = operators.NewImage(operators.Shape{C: p.C, H: above.H + p.H, W: p.W})
	if above.Missing != nil || p.Missing != nil {
		q.Missing = make([]bool, q.Len())
	}
	for c := range p.C {
		for _, part := range []struct {
			*Picture
			at int
		}{{above, 0}, {p, above.H}} {
			n := part.H * p.W
			copy(q.Plane(c)[part.at*p.W:], part.Plane(c))
			if part.Missing != nil {
				copy(q.Missing[(c*q.H+part.at)*p.W:], part.Missing[c*n:(c+1)*n])
			}
		}
	}
	if p.Alpha != nil {
		q.Alpha = append(append([]uint16(nil), above.Alpha...), p.Alpha...)
	}
	return &q
}
