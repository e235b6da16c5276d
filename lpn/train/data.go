package train

import (
	"errors"
	"fmt"
	"image"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/operators"
)

// Images are the pictures that a prior learns from, all with the same number
// of channels, in a fixed order: that of the arguments and, in folders, of the
// names. It is safe for concurrent use.
type Images struct {
	channels int
	list     []*picture
	skipped  *skipList
	streamed bool // not all pictures are in memory
	budget   int64
}

// A Skip is a file that is not used, and why.
type Skip struct{ Path, Reason string }

type skipList struct {
	sync.Mutex
	list []Skip
}

func (s *skipList) add(path string, err error) {
	s.Lock()
	defer s.Unlock()
	s.list = append(s.list, Skip{path, strings.TrimPrefix(err.Error(), path+": ")})
}

// DataOptions say how OpenImages reads.
type DataOptions struct {
	// Channels is 1 (colour becomes BT.601 luma) or 3 (gray is repeated).
	// Default 1.
	Channels int
	// Patch is the smallest width and height that is of use; smaller
	// pictures are skipped. 0 keeps all.
	Patch int
	// Extend makes pictures smaller than Patch larger by half-sample
	// symmetric reflection instead of skipping them.
	Extend bool
	// Budget is the memory, in bytes, for decoded pictures. What does not
	// fit is decoded while training goes on. Default 2 GiB.
	Budget int64
}

// OpenImages opens the pictures in paths: files, and folders with all that is
// below them. Files are PNG, JPEG, TIFF, BMP, WebP, GIF (first frame), NumPy
// .npy (a picture as the command line takes it, or float32 stacks N x H x W,
// N x C x H x W, N x H x W x C) and MNIST-style idx files (.gz or not). Broken
// files and those of no use are left out and listed by Skipped; it is an error
// when a path does not exist or nothing is left.
//
// Pictures are decoded once and kept in the depth of their file, as long as
// they fit o.Budget; if they do not, only headers are read here (a file whose
// data is broken is then found, and skipped, when it is its turn), and a
// Sampler decodes a changing selection in the background.
func OpenImages(paths []string, o DataOptions) (*Images, error) {
	if o.Channels == 0 {
		o.Channels = 1
	}
	if o.Channels != 1 && o.Channels != 3 {
		return nil, fmt.Errorf("train: channels is %d, want 1 or 3", o.Channels)
	}
	if o.Budget <= 0 {
		o.Budget = 2 << 30
	}
	m := &Images{channels: o.Channels, skipped: &skipList{}, budget: o.Budget}
	files, err := findFiles(paths)
	if err != nil {
		return nil, err
	}
	if total := m.estimate(files); total > o.Budget {
		m.streamed = true
	}
	found := make([][]*picture, len(files))
	inParallel(len(files), func(i int) {
		ps, err := m.openFile(files[i], o)
		if err != nil {
			m.skipped.add(files[i], err)
		}
		found[i] = ps
	})
	for _, ps := range found {
		m.list = append(m.list, ps...)
	}
	slices.SortFunc(m.skipped.list, func(a, b Skip) int { return strings.Compare(a.Path, b.Path) })
	if len(m.list) == 0 {
		reason := "no images found"
		if s := m.skipped.list; len(s) > 0 {
			reason = fmt.Sprintf("none of %d images can be used; %s: %s", len(s), s[0].Path, s[0].Reason)
		}
		return nil, fmt.Errorf("train: %s: %s", strings.Join(paths, ", "), reason)
	}
	return m, nil
}

// Len is the number of pictures.
func (m *Images) Len() int { return len(m.list) }

// Channels is the number of channels of every picture.
func (m *Images) Channels() int { return m.channels }

// Name is the file of picture i, with #k for the k-th of a stack.
func (m *Images) Name(i int) string { return m.list[i].name }

// Skipped lists the files that are not used so far, sorted by path.
func (m *Images) Skipped() []Skip {
	m.skipped.Lock()
	defer m.skipped.Unlock()
	return slices.Clone(m.skipped.list)
}

// Image returns picture i in [0,1], decoding it if it is not in memory.
func (m *Images) Image(i int) (operators.Image, error) {
	r, err := m.list[i].load()
	if err != nil {
		return operators.Image{}, err
	}
	out := operators.NewImage(operators.Shape{C: r.c, H: r.h, W: r.w})
	for k := range out.Pix {
		out.Pix[k] = r.at(k)
	}
	return out, nil
}

// Split divides the pictures: every n-th (the last of each run of n, and at
// least one) is held back for validation, the others are for training. The
// same pictures give the same split. With a single picture both are it.
func (m *Images) Split(n int) (training, held *Images) {
	if n < 2 {
		panic(fmt.Sprintf("train: Split every %d, want at least 2", n))
	}
	a, b := *m, *m
	a.list, b.list = nil, nil
	for i, p := range m.list {
		if i%n == n-1 || i == len(m.list)-1 && len(b.list) == 0 {
			b.list = append(b.list, p)
		} else {
			a.list = append(a.list, p)
		}
	}
	if len(a.list) == 0 {
		a.list = b.list
	}
	return &a, &b
}

// A picture is one image of the set.
type picture struct {
	name string
	r    *raster                 // nil when it is decoded on demand
	open func() (*raster, error) // nil when r is set
}

func (p *picture) load() (*raster, error) {
	if p.r != nil {
		return p.r, nil
	}
	return p.open()
}

// findFiles lists files: arguments as they are, folders by extension.
func findFiles(paths []string) ([]string, error) {
	var out []string
	for _, p := range paths {
		st, err := os.Stat(p)
		if err != nil {
			return nil, fmt.Errorf("train: %w", err)
		}
		if !st.IsDir() {
			out = append(out, p)
			continue
		}
		// A folder that is itself a symbolic link is not walked otherwise.
		root, err := filepath.EvalSymlinks(p)
		if err != nil {
			return nil, fmt.Errorf("train: %w", err)
		}
		err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			hidden := strings.HasPrefix(d.Name(), ".") && name != root
			switch {
			case err != nil && name == root:
				return err
			case d.IsDir() && (hidden || err != nil):
				return filepath.SkipDir
			case !d.IsDir() && !hidden && (slices.Contains(imageio.Extensions, strings.ToLower(filepath.Ext(name))) || isIDX(name)):
				out = append(out, name)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("train: %w", err)
		}
	}
	return out, nil
}

// isIDX goes by MNIST's names, train-images-idx3-ubyte.gz; idx1 are labels.
func isIDX(name string) bool { return strings.Contains(filepath.Base(name), "idx3") }

// estimate is about how many bytes the decoded files take, from their headers.
func (m *Images) estimate(files []string) int64 {
	sizes := make([]int64, len(files))
	inParallel(len(files), func(i int) {
		f, err := os.Open(files[i])
		if err != nil {
			return
		}
		defer f.Close()
		if c, _, err := image.DecodeConfig(f); err == nil {
			sizes[i] = int64(c.Width) * int64(c.Height) * int64(m.channels)
		}
	})
	total := int64(0)
	for _, s := range sizes {
		total += s
	}
	return total
}

// openFile returns the pictures of a file. Stacks are always kept in memory.
func (m *Images) openFile(name string, o DataOptions) ([]*picture, error) {
	ext := strings.ToLower(filepath.Ext(name))
	var rs []*raster
	var err error
	switch {
	case isIDX(name) || ext == ".gz" || ext == ".idx":
		rs, err = openIDX(name, o.Channels)
	case ext == ".npy":
		rs, err = openNpy(name, o.Channels)
	case m.streamed:
		return m.openLater(name, o)
	default:
		var r *raster
		r, err = decodeFile(name, o.Channels)
		rs = []*raster{r}
	}
	if err != nil {
		return nil, err
	}
	var out []*picture
	for i, r := range rs {
		if r, err = r.fit(o); err != nil {
			return nil, err
		}
		label := name
		if len(rs) > 1 {
			label = fmt.Sprintf("%s#%d", name, i)
		}
		out = append(out, &picture{name: label, r: r})
	}
	return out, nil
}

// openLater looks at the header alone.
func (m *Images) openLater(name string, o DataOptions) ([]*picture, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c, _, err := image.DecodeConfig(f)
	if err != nil {
		return nil, &imageio.Error{Name: name, Err: err}
	}
	if min(c.Height, c.Width) < o.Patch && !o.Extend {
		return nil, tooSmall(c.Height, c.Width, o.Patch)
	}
	return []*picture{{name: name, open: func() (*raster, error) {
		r, err := decodeFile(name, o.Channels)
		if err != nil {
			return nil, err
		}
		return r.fit(o)
	}}}, nil
}

func openIDX(name string, channels int) ([]*raster, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	n, h, w, pix, err := readIDX(f)
	if err != nil {
		return nil, err
	}
	out := make([]*raster, n)
	for i := range out {
		plane := pix[i*h*w : (i+1)*h*w]
		for range channels - 1 {
			plane = append(plane[:len(plane):len(plane)], pix[i*h*w:(i+1)*h*w]...)
		}
		out[i] = &raster{c: channels, h: h, w: w, u8: plane}
	}
	return out, nil
}

// openNpy reads one picture or a stack of them.
func openNpy(name string, channels int) ([]*raster, error) {
	if a, err := imageio.ReadArray(name); err == nil {
		if n, s, last := stackShape(a.Shape); n > 0 {
			out := make([]*raster, n)
			for i := range out {
				x := operators.Image{Shape: s, Pix: a.Data[i*s.Len() : (i+1)*s.Len()]}
				if last {
					x = planar(x)
				}
				out[i] = pack(&imageio.Picture{Image: x, Bits: 32}, channels)
			}
			return out, nil
		}
	}
	r, err := decodeFile(name, channels)
	return []*raster{r}, err
}

// stackShape reads a shape as N pictures; n is 0 when it is one picture.
func stackShape(d []int) (n int, s operators.Shape, channelsLast bool) {
	colour := func(c int) bool { return c == 1 || c == 3 }
	switch {
	case len(d) == 3 && !colour(d[0]) && !colour(d[2]):
		return d[0], operators.Shape{C: 1, H: d[1], W: d[2]}, false
	case len(d) == 4 && colour(d[1]):
		return d[0], operators.Shape{C: d[1], H: d[2], W: d[3]}, false
	case len(d) == 4 && colour(d[3]):
		return d[0], operators.Shape{C: d[3], H: d[1], W: d[2]}, true
	}
	return 0, operators.Shape{}, false
}

// planar turns interleaved samples into planes.
func planar(x operators.Image) operators.Image {
	out := operators.NewImage(x.Shape)
	for i, v := range x.Pix {
		out.Pix[i%x.C*x.H*x.W+i/x.C] = v
	}
	return out
}

func decodeFile(name string, channels int) (*raster, error) {
	p, err := imageio.Read(name)
	if err != nil {
		var bad *imageio.Error
		if errors.As(err, &bad) {
			return nil, bad.Err
		}
		return nil, err
	}
	return pack(p, channels), nil
}

// A raster is a decoded picture of planes in the depth of its file: one of the
// slices is set. Sample k is u8[k]/255, u16[k]/65535 or f32[k].
type raster struct {
	c, h, w int
	u8      []uint8
	u16     []uint16
	f32     []float32
}

// pack converts to the wanted channels and the smallest depth that loses
// nothing; the luma of an 8-bit picture needs 16.
func pack(p *imageio.Picture, channels int) *raster {
	bits := p.Bits
	if channels == 1 && p.C != 1 {
		p = p.Luma()
		bits = max(bits, 16)
	}
	r := &raster{c: channels, h: p.H, w: p.W}
	pix := p.Pix
	for range channels/p.C - 1 {
		pix = append(pix[:len(pix):len(pix)], p.Pix...)
	}
	switch bits {
	case 8:
		r.u8 = make([]uint8, len(pix))
		for i, v := range pix {
			r.u8[i] = uint8(math.Round(float64(v) * 255))
		}
	case 16:
		r.u16 = make([]uint16, len(pix))
		for i, v := range pix {
			r.u16[i] = uint16(math.Round(float64(v) * 65535))
		}
	default:
		r.f32 = pix
	}
	return r
}

var from8 = func() (t [256]float32) {
	for i := range t {
		t[i] = float32(i) / 255
	}
	return t
}()

func (r *raster) at(k int) float32 {
	switch {
	case r.u8 != nil:
		return from8[r.u8[k]]
	case r.u16 != nil:
		return float32(r.u16[k]) / 65535
	}
	return r.f32[k]
}

// fit makes sure that a patch fits.
func (r *raster) fit(o DataOptions) (*raster, error) {
	if r.h >= o.Patch && r.w >= o.Patch {
		return r, nil
	}
	if !o.Extend {
		return nil, tooSmall(r.h, r.w, o.Patch)
	}
	out := &raster{c: r.c, h: max(r.h, o.Patch), w: max(r.w, o.Patch)}
	n := out.c * out.h * out.w
	from := func(k int) int {
		y, x := mirror(k/out.w%out.h, r.h), mirror(k%out.w, r.w)
		return (k/out.w/out.h*r.h+y)*r.w + x
	}
	switch {
	case r.u8 != nil:
		out.u8 = extend(make([]uint8, n), r.u8, from)
	case r.u16 != nil:
		out.u16 = extend(make([]uint16, n), r.u16, from)
	default:
		out.f32 = extend(make([]float32, n), r.f32, from)
	}
	return out, nil
}

func tooSmall(h, w, patch int) error {
	return fmt.Errorf("%dx%d pixels are smaller than a patch of %dx%d", w, h, patch, patch)
}

func extend[T any](dst, src []T, from func(int) int) []T {
	for k := range dst {
		dst[k] = src[from(k)]
	}
	return dst
}

// mirror folds i >= 0 into [0,n) by half-sample symmetric reflection.
func mirror(i, n int) int {
	if i %= 2 * n; i >= n {
		i = 2*n - 1 - i
	}
	return i
}

// inParallel calls f(0) ... f(n-1) on all cores.
func inParallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
