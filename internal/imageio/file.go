package imageio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/lpn-imaging/lpn/internal/npy"
)

// A File is an open file of one page or several: those of a TIFF, the frames
// of an animation, the slices of an array or of a volume. A page is decoded
// when it is read; the others take no memory. A File must not be used by
// several goroutines at once.
type File struct {
	// Format names the format, such as png or tiff.
	Format string

	name   string
	bytes  int64
	src    source
	closer io.Closer
}

// A source is what a format's reader offers. Page is called with 0 <= i < Pages().
type source interface {
	Pages() int
	Page(i int) (*Picture, error)
}

// Open opens the file at path. The error is an [*Error] when the file was
// there but holds no picture.
func Open(path string) (*File, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() { // a pipe cannot be read here and there
		defer f.Close()
		return NewFile(f, path)
	}
	file, err := newFile(f, st.Size(), path)
	if err != nil {
		f.Close()
		return nil, err
	}
	file.closer = f
	return file, nil
}

// NewFile opens a picture file from r, which is read to its end; name
// describes it in errors.
func NewFile(r io.Reader, name string) (*File, error) {
	data, err := load(r)
	if err != nil {
		return nil, &Error{name, err}
	}
	return newFile(bytes.NewReader(data), int64(len(data)), name)
}

// TakeGaps lets an .npy have NaN where samples are missing, as other formats of floats
// may: see Picture.Missing. Without it NaN in an .npy is an error.
func (f *File) TakeGaps() {
	if s, ok := f.src.(*npySource); ok {
		s.gaps = true
	}
}

// load reads a stream whole: only what begins like a picture, for others may
// have no end.
func load(r io.Reader) ([]byte, error) {
	size := remaining(r)
	head := make([]byte, magicLen)
	n, err := io.ReadFull(r, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, reason(err)
	}
	head = head[:n]
	f, err := sniff(head)
	if err != nil {
		return nil, err
	}
	rest := io.MultiReader(bytes.NewReader(head), r)
	if f.limit != nil {
		if rest, err = f.limit(rest); err != nil {
			return nil, err
		}
	}
	data, err := readAll(rest, size)
	if err != nil {
		return nil, reason(err)
	}
	return data, nil
}

func newFile(r io.ReaderAt, size int64, name string) (*File, error) {
	head := make([]byte, min(size, magicLen))
	if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return nil, &Error{name, reason(err)}
	}
	f, err := sniff(head)
	if err != nil {
		return nil, &Error{name, err}
	}
	file := &File{Format: f.name, name: name, bytes: size}
	err = guarded(f.name, func() (err error) {
		file.src, err = f.open(r, size)
		return err
	})
	if err != nil {
		return nil, &Error{name, err}
	}
	return file, nil
}

// guarded calls f. The decoders of others see hostile files: a panic in one
// is a bad file.
func guarded(format string, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("damaged %s: %v", title(format), r)
		}
	}()
	return f()
}

// Close closes the file.
func (f *File) Close() error {
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}

// Pages is the number of pages, at least 1.
func (f *File) Pages() int { return f.src.Pages() }

// Bytes is the size of the file.
func (f *File) Bytes() int64 { return f.bytes }

// Size is the height and width of the picture as far as its header tells without
// decoding it: of PNG, JPEG, BMP, WebP and GIF of one page.
func (f *File) Size() (h, w int, ok bool) {
	s, single := f.src.(*single)
	if !single {
		return 0, 0, false
	}
	err := guarded(f.Format, func() error {
		c, err := s.header()
		h, w = c.Height, c.Width
		return err
	})
	return h, w, err == nil
}

// Page reads page i, from 0. It panics when there is no such page; the error
// is an [*Error].
func (f *File) Page(i int) (*Picture, error) {
	if i < 0 || i >= f.Pages() {
		panic(fmt.Sprintf("imageio: page %d of %d", i, f.Pages()))
	}
	var p *Picture
	err := guarded(f.Format, func() (err error) {
		p, err = f.src.Page(i)
		return err
	})
	if err != nil {
		name := f.name
		if f.Pages() > 1 {
			name = fmt.Sprintf("%s, page %d", f.name, i+1)
		}
		return nil, &Error{name, err}
	}
	p.Format, p.Page, p.Pages = f.Format, i, f.Pages()
	return p, nil
}

// Samples is how many samples page i will have, from what the file says before anything is
// decoded; 0 where it does not say, in formats without compression: no more then than it
// has bytes. It panics when there is no such page.
func (f *File) Samples(i int) (n int64) {
	if i < 0 || i >= f.Pages() {
		panic(fmt.Sprintf("imageio: page %d of %d", i, f.Pages()))
	}
	if s, ok := f.src.(interface{ sampleCount(i int) int64 }); ok {
		guarded(f.Format, func() error {
			n = s.sampleCount(i)
			return nil
		})
	}
	return n
}

// All reads the pages one after the other; it stops after an error.
func (f *File) All() iter.Seq2[*Picture, error] {
	return func(yield func(*Picture, error) bool) {
		for i := range f.Pages() {
			if p, err := f.Page(i); !yield(p, err) || err != nil {
				return
			}
		}
	}
}

// A format is a kind of file that is read.
type format struct {
	name  string
	magic []string               // how it begins; a '?' matches any byte
	is    func(head []byte) bool // says so where magic is empty
	open  func(r io.ReaderAt, size int64) (source, error)
	limit func(io.Reader) (io.Reader, error) // ends a stream where the file ends
}

var formats = append(avifFormats, []format{
	{name: "dicom", magic: []string{strings.Repeat("?", 128) + "DICM"}, open: openDICOM},
	{name: "tiff", magic: []string{"II*\x00", "MM\x00*", "II+\x00\x08\x00", "MM\x00+\x00\x08"}, open: openTIFF},
	{name: "png", magic: []string{pngSignature}, open: codecPNG.open},
	{name: "jpeg", magic: []string{"\xff\xd8"}, open: codecJPEG.open},
	{name: "bmp", magic: []string{"BM????\x00\x00\x00\x00"}, open: codecBMP.open},
	{name: "webp", magic: []string{"RIFF????WEBPVP8"}, open: codecWebP.open},
	{name: "gif", magic: []string{"GIF87a", "GIF89a"}, open: codecGIF.open},
	{name: "fits", magic: []string{"SIMPLE  ="}, open: openFITS},
	{name: "pnm", magic: []string{"P2\n", "P2 ", "P2\r", "P3\n", "P3 ", "P3\r", "P5\n", "P5 ", "P5\r", "P6\n", "P6 ", "P6\r"}, open: openPNM},
	{name: "pfm", magic: []string{"Pf\n", "Pf ", "Pf\r", "PF\n", "PF ", "PF\r"}, open: openPNM},
	{name: "exr", magic: []string{exrMagic}, open: openEXR},
	{name: "npy", magic: []string{npy.Magic}, open: openNpy, limit: limitNpy},
}...)

// magicLen is as much of a file as sniff looks at.
const magicLen = 132

var errNoPicture = errors.New("neither PNG, JPEG, TIFF, BMP, WebP, GIF, .npy, DICOM, FITS, OpenEXR, AVIF nor PNM")

// others are kinds of files that people have and that are not read.
var others = []struct{ magic, what, advice string }{
	{"????ftypavis", "an animated AVIF picture", "take its frames out as PNG first, for example with avifdec --index all"},
	{"????ftypavi", "an AVIF picture", "convert it to PNG or TIFF first, for example with avifdec, or use an lpn built without -tags small"},
	{"????ftyphei", "a HEIC picture", "convert it to PNG or TIFF first, for example with heif-convert"},
	{"????ftyphev", "a HEIC picture", "convert it to PNG or TIFF first, for example with heif-convert"},
	{"????ftypmif", "a HEIF picture", "convert it to PNG or TIFF first, for example with heif-convert"},
	{"????ftypmsf", "a HEIF picture", "convert it to PNG or TIFF first, for example with heif-convert"},
	{"????ftypcrx", "a camera's raw picture (CR3)", "develop it to a 16-bit TIFF first"},
	{"????ftyp", "a video", "take its frames out as PNG first"},
	{"\xff\x0a", "a JPEG XL picture", "convert it to PNG first, for example with djxl"},
	{"\x00\x00\x00\x0cJXL \r\n\x87\n", "a JPEG XL picture", "convert it to PNG first, for example with djxl"},
	{"\x00\x00\x00\x0cjP  \r\n\x87\n", "a JPEG 2000 picture", "convert it to TIFF first, for example with opj_decompress"},
	{"\xff\x4f\xff\x51", "a JPEG 2000 picture", "convert it to TIFF first, for example with opj_decompress"},
	{"\xff\xd8\xff\xf7", "a JPEG-LS picture", "convert it to PNG first"},
	{"#?RADIANCE", "a Radiance picture", "convert it to a float TIFF, .npy or PFM first"},
	{"8BPS", "a Photoshop file", "save it as TIFF or PNG"},
	{"gimp xcf", "a GIMP file", "export it as TIFF or PNG"},
	{"%PDF", "a PDF", "take its pictures out as PNG first, for example with pdfimages -png"},
	{"%!PS", "a PostScript file", "convert it to PNG first"},
	{"<svg", "an SVG drawing", "convert it to PNG first"},
	{"\x89HDF", "an HDF5 file", "save its array as .npy"},
	{"MATLAB", "a MATLAB file", "save its array as .npy"},
	{"CDF\x01", "a NetCDF file", "save its array as .npy"},
	{"CDF\x02", "a NetCDF file", "save its array as .npy"},
	{"IIRO", "a camera's raw picture (ORF)", "develop it to a 16-bit TIFF first"},
	{"IIU\x00", "a camera's raw picture (RW2)", "develop it to a 16-bit TIFF first"},
	{"FUJIFILM", "a camera's raw picture (RAF)", "develop it to a 16-bit TIFF first"},
	{"II*\x00????CR", "a camera's raw picture (CR2)", "develop it to a 16-bit TIFF first"},
	{"\x1f\x8b", "a compressed file (gzip)", "unpack it first"},
	{"7z\xbc\xaf", "an archive (7z)", "unpack it first"},
	{"Rar!", "an archive (RAR)", "unpack it first"},
}

// sniff finds the format of a file that begins with head.
func sniff(head []byte) (*format, error) {
	if len(head) == 0 {
		return nil, errors.New("the file is empty")
	}
	for i := range formats {
		if f := &formats[i]; f.is != nil && f.is(head) {
			return f, nil
		}
	}
	for _, o := range others {
		if matches(head, o.magic) {
			return nil, unsupported(o.what, o.advice)
		}
	}
	for i := range formats {
		for _, m := range formats[i].magic {
			if matches(head, m) {
				return &formats[i], nil
			}
		}
	}
	return nil, errNoPicture
}

func matches(data []byte, magic string) bool {
	if len(data) < len(magic) {
		return false
	}
	for i := range len(magic) {
		if magic[i] != '?' && magic[i] != data[i] {
			return false
		}
	}
	return true
}

// titles are the names of formats in messages.
var titles = map[string]string{"npy": ".npy", "webp": "WebP", "exr": "OpenEXR", "avif": "AVIF"}

func title(format string) string {
	if t, ok := titles[format]; ok {
		return t
	}
	return strings.ToUpper(format)
}
