package serve

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io"
	"io/fs"
	"math"
	"mime"
	"mime/multipart"
	"net/http"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/plot"
	"github.com/lpn-imaging/lpn/operators"
)

// TileSide is the side in pixels of the tiles of pictures.
const TileSide = 512

// A look says how samples become colours.
type look struct {
	lo, hi float64 // what is black and white
	linear bool    // samples are proportional to light
	// table, where given, are the colours from lo to hi of pictures of one channel.
	table *[256]color.RGBA
}

// lookOf is how a picture is shown: integers by their full scale, other numbers from their
// robust least to their largest.
func lookOf(p *imageio.Picture) look {
	l := look{lo: 0, hi: 1, linear: p.Linear}
	if p.Native() {
		const most = 1 << 16
		step := max(1, len(p.Pix)/most)
		var some []float32
		for i := 0; i < len(p.Pix); i += step {
			some = append(some, p.Pix[i])
		}
		slices.Sort(some)
		k := len(some) / 500
		l.lo, l.hi = float64(some[k]), float64(some[len(some)-1-k])
		if !(l.hi > l.lo) {
			l.hi = l.lo + 1
		}
		if l.lo >= -0.5 && l.hi <= 1.5 && l.hi > 0.2 { // floats in [0,1], as .npy files hold
			l.lo, l.hi = 0, 1
		}
	}
	return l
}

// at is a sample as a byte.
func (l look) at(v float64) uint8 {
	v = min(1, max(0, (v-l.lo)/(l.hi-l.lo)))
	if l.linear { // as displays want it (IEC 61966-2-1)
		if v <= 0.0031308 {
			v *= 12.92
		} else {
			v = 1.055*math.Pow(v, 1/2.4) - 0.055
		}
	}
	return uint8(255*v + 0.5)
}

// draw is a part of a picture, every pixel the mean of step x step.
func (l look) draw(m operators.Image, r image.Rectangle, step int) *image.RGBA {
	r = r.Intersect(image.Rect(0, 0, m.W, m.H))
	w, h := (r.Dx()+step-1)/step, (r.Dy()+step-1)/step
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	row := make([]float64, w)
	planes := min(m.C, 3)
	for c := range planes {
		plane := m.Plane(c)
		for y := range h {
			clear(row)
			top, bottom := r.Min.Y+y*step, min(r.Min.Y+(y+1)*step, r.Max.Y)
			for yy := top; yy < bottom; yy++ {
				line := plane[yy*m.W+r.Min.X:][:r.Dx()]
				if step == 1 {
					for x, v := range line {
						row[x] = float64(v)
					}
					continue
				}
				for x, v := range line {
					row[x/step] += float64(v)
				}
			}
			for x, v := range row {
				if step > 1 {
					v /= float64((bottom - top) * (min((x+1)*step, r.Dx()) - x*step))
				}
				at := y*out.Stride + 4*x
				switch {
				case l.table != nil:
					k := l.table[uint8(255*min(1, max(0, (v-l.lo)/(l.hi-l.lo)))+0.5)]
					out.Pix[at], out.Pix[at+1], out.Pix[at+2] = k.R, k.G, k.B
				case planes == 1:
					b := l.at(v)
					out.Pix[at], out.Pix[at+1], out.Pix[at+2] = b, b, b
				default:
					out.Pix[at+c] = l.at(v)
				}
				out.Pix[at+3] = 255
			}
		}
	}
	return out
}

// What is shown is looked at once, so it is compressed little; on the way to a page on
// this machine not at all, which takes a third of the time.
var fast, stored = png.Encoder{CompressionLevel: png.BestSpeed}, png.Encoder{CompressionLevel: png.NoCompression}

// encode is a picture for the way to the client, as PNG.
func (s *Server) encode(m image.Image) []byte {
	e := &stored
	if s.config.Token != "" { // others than this machine
		e = &fast
	}
	var b bytes.Buffer
	e.Encode(&b, m) // to memory: no error
	return b.Bytes()
}

// dataURL is a picture in a URL.
func (s *Server) dataURL(m image.Image) string {
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(s.encode(m))
}

// A PictureInfo describes a picture that the server keeps.
type PictureInfo struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Width    int    `json:"width"`
	Height   int    `json:"height"`
	Channels int    `json:"channels"`
	Bits     int    `json:"bits"`
	Format   string `json:"format"`
	Pages    int    `json:"pages"`
	// JPEGQuality is the quality nearest to the tables of a JPEG file; 0 for others.
	JPEGQuality int `json:"jpeg_quality,omitempty"`
	// URL is the address of the file, and Tiles that of its tiles: append /LEVEL/X/Y,
	// for tiles of TileSide pixels of the picture at 1/2^LEVEL of its size.
	URL      string `json:"url"`
	Tiles    string `json:"tiles"`
	TileSide int    `json:"tile_side"`
}

func (it *item) info() PictureInfo {
	p := it.picture
	i := PictureInfo{
		ID: it.id, Name: it.name, Width: p.W, Height: p.H, Channels: p.C, Bits: p.Bits, Format: p.Format, Pages: max(1, p.Pages),
		URL: "/api/v1/pictures/" + it.id + "/file", Tiles: "/api/v1/pictures/" + it.id + "/tiles", TileSide: TileSide,
	}
	if p.JPEG != nil {
		i.JPEGQuality = p.JPEG.Format.Quality()
	}
	return i
}

// cleanName is the name of a file that a client gives, fit for a header and a terminal.
func cleanName(s string) string {
	s = path.Base(strings.ReplaceAll(s, `\`, "/"))
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8Bad {
			return -1
		}
		return r
	}, s)
	s = strings.TrimLeft(s, "-")
	if r := []rune(s); len(r) > 100 {
		s = string(r[len(r)-100:])
	}
	if s == "" || s == "." || s == "/" {
		return "picture.png"
	}
	return s
}

const utf8Bad = '\uFFFD'

// keep puts a picture into the store.
func (s *Server) keep(o owner, name string, p *imageio.Picture) (*item, error) {
	it := &item{owner: o, name: name, picture: p, look: lookOf(p)}
	if err := s.items.put(it); err != nil {
		return nil, statusError{http.StatusRequestEntityTooLarge, err}
	}
	return it, nil
}

// addPicture takes a picture: a form with the file "image", the file itself with its name
// in the query, or {"file": NAME} for one in the folder.
func (s *Server) addPicture(w http.ResponseWriter, r *http.Request) {
	it, _, err := s.receive(w, r)
	if err == nil && it == nil {
		err = bad("the request has no picture")
	}
	if err != nil {
		s.refuse(w, err)
		return
	}
	reply(w, http.StatusCreated, it.info())
}

// receive reads a picture, and what comes with it in a form's field "options". The turn
// comes when all has been read, so that a client that sends slowly holds up nobody.
func (s *Server) receive(w http.ResponseWriter, r *http.Request) (it *item, options []byte, err error) {
	t, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return nil, nil, statusError{http.StatusUnsupportedMediaType, errors.New("want a form with the file image, or a picture")}
	}
	o := ownerOf(r)
	if t == "application/json" {
		var q struct {
			File string `json:"file"`
			Page int    `json:"page"`
		}
		if err := decode(w, r, &q); err != nil {
			return nil, nil, err
		}
		err := s.turn(r.Context(), s.intake, o, func() error {
			p, err := s.fromFolder(q.File, q.Page)
			if err == nil {
				it, err = s.keep(o, path.Base(q.File), p)
			}
			return err
		})
		return it, nil, err
	}
	page, _ := strconv.Atoi(r.URL.Query().Get("page"))
	lift := read(w, r, s.config.Upload)
	defer lift()
	arriving := &arrival{r: r.Body, in: s.arrivals, of: o}
	defer arriving.end()
	var data []byte
	name := cleanName(r.URL.Query().Get("name"))
	if t != "multipart/form-data" {
		data, err = io.ReadAll(arriving)
	} else {
		data, name, options, err = readForm(arriving, params["boundary"])
	}
	s.metrics.uploaded.Add(arriving.n)
	if err != nil || data == nil {
		return nil, options, err
	}
	lift()
	var asked struct {
		Page int `json:"page"`
	}
	if json.Unmarshal(options, &asked) == nil && page == 0 { // errors are reported later
		page = asked.Page
	}
	err = s.turn(r.Context(), s.intake, o, func() error {
		p, err := s.decodePicture(bytes.NewReader(data), name, page)
		if err == nil {
			it, err = s.keep(o, name, p)
		}
		return err
	})
	return it, options, err
}

// readForm reads the file "image" of a form and its name, nil where it has none, and the
// field "options".
func readForm(r io.Reader, boundary string) (data []byte, name string, options []byte, err error) {
	if boundary == "" {
		return nil, "", nil, bad("the form has no boundary")
	}
	form := multipart.NewReader(r, boundary)
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			return data, name, options, nil
		} else if err != nil {
			return nil, "", nil, formError(err)
		}
		switch part.FormName() {
		case "image":
			name = cleanName(part.FileName())
			data, err = io.ReadAll(part)
		case "options":
			options, err = io.ReadAll(io.LimitReader(part, mostJSON))
		default:
			err = bad("the form has a field %q; want image and options", part.FormName())
		}
		if err != nil {
			return nil, "", nil, formError(err)
		}
	}
}

// formError words an error of reading a form.
func formError(err error) error {
	if errors.As(err, new(*http.MaxBytesError)) || errors.As(err, new(statusError)) {
		return err
	}
	return bad("the form ends early: %s", err)
}

func (s *Server) find(r *http.Request) (*item, error) { return s.pictureOf(r.PathValue("id")) }

// pictureOf is the picture of an id.
func (s *Server) pictureOf(id string) (*item, error) {
	it := s.items.get(id)
	if it == nil || it.picture == nil {
		return nil, missing("picture", id)
	}
	return it, nil
}

func (s *Server) showPicture(w http.ResponseWriter, r *http.Request) {
	it, err := s.find(r)
	if err != nil {
		s.refuse(w, err)
		return
	}
	reply(w, http.StatusOK, it.info())
}

func (s *Server) deletePicture(w http.ResponseWriter, r *http.Request) {
	if !s.items.remove(r.PathValue("id")) {
		s.refuse(w, missing("picture", r.PathValue("id")))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// download answers with a picture as a file, with all that it came with.
func (s *Server) download(w http.ResponseWriter, r *http.Request) {
	it, err := s.find(r)
	if err != nil {
		s.refuse(w, err)
		return
	}
	q := r.URL.Query()
	o := Options{Format: q.Get("format")}
	o.Bits, _ = strconv.Atoi(q.Get("bits"))
	o.Quality, _ = strconv.Atoi(q.Get("quality"))
	var file answer
	err = s.turn(r.Context(), s.light, ownerOf(r), func() (err error) {
		file, err = fileOf(it, o)
		return err
	})
	if err != nil {
		s.refuse(w, err)
		return
	}
	file.send(w)
}

// fileOf is a picture as a file.
func fileOf(it *item, o Options) (answer, error) {
	if o.Format == "" {
		o.Format = it.picture.Format
		if imageio.ExtensionOf(o.Format) == "" {
			o.Format = "png"
		}
	}
	ext := imageio.ExtensionOf(o.Format)
	if ext == "" {
		return answer{}, bad("format: %q; want png, jpeg, tiff, npy, pfm, exr, fits or dicom", o.Format)
	}
	switch {
	case o.Bits != 0 && o.Bits != 8 && o.Bits != 16 && o.Bits != 32:
		return answer{}, bad("bits: %d; want 8, 16 or 32", o.Bits)
	case o.Quality < 0 || o.Quality > 100:
		return answer{}, bad("quality: %d; want 1 to 100", o.Quality)
	}
	var b bytes.Buffer
	if err := imageio.Encode(&b, it.picture, imageio.Options{Format: o.Format, Bits: o.Bits, Quality: o.Quality}); err != nil {
		return answer{}, err
	}
	return answer{kind: mediaType(ext), file: strings.TrimSuffix(it.name, path.Ext(it.name)) + ext, body: b.Bytes()}, nil
}

func mediaType(ext string) string {
	switch ext {
	case ".png":
		return "image/png"
	case ".jpg":
		return "image/jpeg"
	case ".tif":
		return "image/tiff"
	case ".svg":
		return "image/svg+xml"
	case ".pdf":
		return "application/pdf"
	case ".csv":
		return "text/csv; charset=utf-8"
	}
	return "application/octet-stream"
}

// tile answers with a tile of a picture. It never changes, so browsers keep it.
func (s *Server) tile(w http.ResponseWriter, r *http.Request) {
	it, err := s.find(r)
	if err != nil {
		s.refuse(w, err)
		return
	}
	var at [3]int
	for k, name := range []string{"level", "x", "y"} {
		if at[k], err = strconv.Atoi(r.PathValue(name)); err != nil || at[k] < 0 || at[k] > 1<<20 {
			s.refuse(w, bad("tile: %s %q", name, r.PathValue(name)))
			return
		}
	}
	m := it.picture.Image
	if at[0] > 20 {
		s.refuse(w, bad("tile: level %d", at[0]))
		return
	}
	side := TileSide << at[0]
	rect := image.Rect(at[1]*side, at[2]*side, (at[1]+1)*side, (at[2]+1)*side).Intersect(image.Rect(0, 0, m.W, m.H))
	if rect.Empty() {
		s.refuse(w, statusError{http.StatusNotFound, errors.New("the picture has no such tile")})
		return
	}
	tile := answer{kind: "image/png", cache: "private, max-age=86400, immutable"}
	err = s.turn(r.Context(), s.light, ownerOf(r), func() error {
		tile.body = s.encode(it.look.draw(m, rect, 1<<at[0]))
		return nil
	})
	if err != nil {
		s.refuse(w, err)
		return
	}
	tile.send(w)
}

// listFiles lists the pictures of the folder, a thousand at most.
func (s *Server) listFiles(w http.ResponseWriter, r *http.Request) {
	const most = 1000
	out := struct {
		Start string   `json:"start"`
		Files []string `json:"files"`
		More  bool     `json:"more"`
	}{Start: s.config.Start, Files: []string{}}
	if s.config.Folder != nil {
		seen := 0
		fs.WalkDir(s.config.Folder.FS(), ".", func(name string, d fs.DirEntry, err error) error {
			seen++
			switch {
			case r.Context().Err() != nil || seen > 100*most:
				return fs.SkipAll
			case err != nil:
				return nil // what cannot be read is not shown
			case strings.HasPrefix(path.Base(name), ".") && name != ".":
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			case d.IsDir() || !slices.Contains(imageio.Extensions, strings.ToLower(filepath.Ext(name))):
				return nil
			case len(out.Files) == most:
				out.More = true
				return fs.SkipAll
			}
			if !d.Type().IsRegular() { // a link is listed if it can be followed
				if st, err := s.config.Folder.Stat(name); err != nil || !st.Mode().IsRegular() {
					return nil
				}
			}
			out.Files = append(out.Files, name)
			return nil
		})
	}
	reply(w, http.StatusOK, out)
}

// A Window is a part of a picture: left, top, width and height in pixels.
type Window [4]int

func (v Window) rect() image.Rectangle { return image.Rect(v[0], v[1], v[0]+v[2], v[1]+v[3]) }

// cut is the part of a picture in a window, all of it where the window is zero.
func (v Window) cut(m operators.Image, most int) (operators.Image, error) {
	r := v.rect()
	if v == (Window{}) {
		r = image.Rect(0, 0, m.W, m.H)
	}
	if v[2] < 0 || v[3] < 0 || r.Empty() || !r.In(image.Rect(0, 0, m.W, m.H)) {
		return m, bad("window: %v is no part of a picture of %dx%d pixels", v, m.W, m.H)
	}
	if r.Dx()*r.Dy() > most {
		return m, bad("window: %dx%d pixels; at most %d are looked at", r.Dx(), r.Dy(), most)
	}
	out := operators.NewImage(operators.Shape{C: m.C, H: r.Dy(), W: r.Dx()})
	for c := range m.C {
		for y := range out.H {
			copy(out.Plane(c)[y*out.W:][:out.W], m.Plane(c)[(y+r.Min.Y)*m.W+r.Min.X:])
		}
	}
	return out, nil
}

// colours are shared by all maps: of one sign, and of two.
var growing, diverging = plot.Colours(false), plot.Colours(true)
