//go:build !small

package plot

import (
	"image"
	"image/color"
	"io"
	"time"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgpdf"
)

func init() { // the same numbers make the same PDF, except for the order of its images
	fpdf.SetDefaultCatalogSort(true)
	fpdf.SetDefaultCreationDate(time.Unix(0, 0).UTC())
	fpdf.SetDefaultModificationDate(time.Unix(0, 0).UTC())
}

// A pdfCanvas is vgpdf's, which draws images upside down and knows only the letters of
// one code page: text with others, as σ and ψ, is drawn as outlines.
type pdfCanvas struct{ *vgpdf.Canvas }

func newPDF(w, h vg.Length) pdfCanvas { return pdfCanvas{vgpdf.New(w, h)} }

// DrawImage draws an image, its first row at the top of r.
func (c pdfCanvas) DrawImage(r vg.Rectangle, m image.Image) {
	b := m.Bounds()
	flipped := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	for y := range b.Dy() {
		for x := range b.Dx() {
			flipped.Set(x, b.Dy()-1-y, color.RGBAModel.Convert(m.At(b.Min.X+x, b.Min.Y+y)))
		}
	}
	c.Canvas.DrawImage(r, flipped)
}

// FillString writes text.
func (c pdfCanvas) FillString(f font.Face, at vg.Point, s string) {
	for _, r := range s {
		if r > '~' {
			c.Fill(outlines(f, at, s))
			return
		}
	}
	c.Canvas.FillString(f, at, s)
}

// outlines are the glyphs of a text as a path, from its origin.
func outlines(f font.Face, at vg.Point, s string) vg.Path {
	var (
		path   vg.Path
		buffer sfnt.Buffer
		last   sfnt.GlyphIndex
	)
	const em = 2048 // the unit of coordinates
	unit := f.Font.Size / (em * 64)
	x := at.X
	for k, r := range s {
		glyph, err := f.Face.GlyphIndex(&buffer, r)
		if err != nil {
			continue
		}
		if k > 0 {
			if kern, err := f.Face.Kern(&buffer, last, glyph, fixed.I(em), 0); err == nil {
				x += vg.Length(kern) * unit
			}
		}
		last = glyph
		segments, err := f.Face.LoadGlyph(&buffer, glyph, fixed.I(em), nil)
		if err != nil {
			continue
		}
		point := func(p fixed.Point26_6) vg.Point { // y of a font's outlines grows downwards
			return vg.Point{X: x + vg.Length(p.X)*unit, Y: at.Y - vg.Length(p.Y)*unit}
		}
		for i, g := range segments {
			switch g.Op {
			case sfnt.SegmentOpMoveTo:
				if i > 0 {
					path.Close()
				}
				path.Move(point(g.Args[0]))
			case sfnt.SegmentOpLineTo:
				path.Line(point(g.Args[0]))
			case sfnt.SegmentOpQuadTo:
				path.QuadTo(point(g.Args[0]), point(g.Args[1]))
			case sfnt.SegmentOpCubeTo:
				path.CubeTo(point(g.Args[0]), point(g.Args[1]), point(g.Args[2]))
			}
		}
		if len(segments) > 0 {
			path.Close()
		}
		if advance, err := f.Face.GlyphAdvance(&buffer, glyph, fixed.I(em), 0); err == nil {
			x += vg.Length(advance) * unit
		}
	}
	return path
}

var _ interface {
	vg.CanvasSizer
	io.WriterTo
} = pdfCanvas{}
