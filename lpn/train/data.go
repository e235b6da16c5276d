package train

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/unitrange"
	"github.com/lpn-imaging/lpn/operators"
)

// Images are the pictures from which a prior learns, all with the same number of
// channels and in one range, in a fixed order: that of the arguments and, in folders,
// of the names. It is safe for concurrent use.
type Images struct {
	channels int
	colour   int // how many of those that were looked at are in colour
	looked   int
	scale    Range
	list     []*picture
	skipped  *skipList
	streamed bool // not all pictures are in memory
	budget   int64
}

// A Range is black and white of a set of pictures, in the numbers of its files: number
// v becomes the sample (v-Lo)/(Hi-Lo). The zero Range is that of image files, [0,1] for
// floats and the full scale for integers.
type Range struct{ Lo, Hi float64 }

// IsZero reports whether r is that of image files.
func (r Range) IsZero() bool { return r == Range{} }

// String is LO:HI, the form of the command line, "" for the zero Range.
func (r Range) String() string {
	if r.IsZero() {
		return ""
	}
	return fmt.Sprintf("%.7g:%.7g", r.Lo, r.Hi)
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
	// Channels is 1 (colour becomes BT.601 luma) or 3 (gray is repeated). 0 means 3 if
	// at least half of the pictures are in colour, else 1. A picture whose channels are
	// equal is gray.
	Channels int
	// Range is the numbers that are black and white for the prior. With the zero Range,
	// pictures of 8 bits and numbers about in [0,1] stay as they are. For others -
	// counts, Hounsfield units, 12 bits in 16 - the range is that of the set without
	// its darkest and brightest thousandth.
	Range Range
	// Patch is the least width and height; smaller pictures are skipped. 0 keeps all.
	Patch int
	// Extend makes pictures smaller than Patch larger by half-sample
	// symmetric reflection instead of skipping them.
	Extend bool
	// Budget is the memory, in bytes, for decoded pictures. Pictures that do not fit
	// are decoded during the training. Default 2 GiB.
	Budget int64

	like *Images // whose range the pictures are to have
}

// OpenImages opens the pictures in paths: files, and folders with everything below
// them. It takes all files that package imageio reads - PNG, JPEG, TIFF, BMP, WebP,
// GIF, NumPy arrays, DICOM, FITS, PNM, of any type of number - with all of their pages,
// and MNIST-style idx files (.gz or not). Broken and useless files are left out, and
// Skipped lists them. It is an error if a path does not exist or no picture is left.
//
// Pictures are decoded once and kept in the depth of their file, as long as they fit
// o.Budget. If they do not, OpenImages reads only headers and a sample of the pictures,
// and a Sampler decodes a changing selection in the background; a file with broken data
// is then found, and skipped, during the training.
func OpenImages(paths []string, o DataOptions) (*Images, error) {
	if o.Channels != 0 && o.Channels != 1 && o.Channels != 3 {
		return nil, fmt.Errorf("train: channels is %d, want 1 or 3, or 0 to go by the pictures", o.Channels)
	}
	if o.Budget <= 0 {
		o.Budget = 2 << 30
	}
	m := &Images{skipped: &skipList{}, budget: o.Budget}
	files, err := findFiles(paths)
	if err != nil {
		return nil, err
	}
	m.streamed = estimate(files, o.Channels) > o.Budget
	found := make([][]*picture, len(files))
	inParallel(len(files), func(i int) {
		found[i] = m.openFile(files[i], o)
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
	m.settle(o)
	return m, nil
}

// Like opens the pictures in paths with the channels and the range of m, for validation
// or as second exposures.
func (m *Images) Like(paths []string, o DataOptions) (*Images, error) {
	o.Channels, o.like = m.channels, m
	return OpenImages(paths, o)
}

// settle decides on channels and range, and converts what is in memory.
func (m *Images) settle(o DataOptions) {
	shown := m.list
	if m.streamed {
		shown = nil
		step := max(1, len(m.list)/surveyed)
		for i := 0; i < len(m.list); i += step {
			if r, err := m.list[i].load(); err == nil {
				shown = append(shown, &picture{file: m.list[i].file, r: r})
			}
		}
	}
	for _, p := range shown {
		if p.r.c == 3 && !p.r.gray() {
			m.colour++
		}
	}
	m.looked = len(shown)
	m.channels = o.Channels
	if o.Channels == 0 {
		m.channels = 1
		if 2*m.colour >= m.looked && m.colour > 0 {
			m.channels = 3
		}
	}
	switch {
	case o.like != nil:
		m.scale = o.like.scale
	case !o.Range.IsZero():
		m.scale = o.Range
	default:
		m.scale = rangeOf(shown)
	}
	inParallel(len(m.list), func(i int) {
		p := m.list[i]
		if p.r != nil {
			p.r = p.r.settled(m)
			return
		}
		raw := p.open
		p.open = func() (*raster, error) {
			r, err := raw()
			if err != nil {
				return nil, err
			}
			return r.settled(m), nil
		}
	})
}

// surveyed is how many pictures decide on channels and range where not all are in memory.
const surveyed = 64

// rangeOf finds the range of a set. One that looks like image files has none of
// its own: all pictures have 8 bits, or the numbers are like those in [0,1].
func rangeOf(set []*picture) Range {
	if !slices.ContainsFunc(set, func(p *picture) bool { return p.r.u8 == nil }) {
		return Range{}
	}
	const most = 1 << 20
	each := max(1024, most/max(1, len(set)))
	gather := func(scaled bool) Range {
		var v []float32
		for _, p := range set {
			k := float32(1)
			if scaled {
				k = float32(p.r.scale)
			}
			n := p.r.c * p.r.h * p.r.w
			for i := 0; i < n; i += max(1, n/each) {
				v = append(v, k*p.r.raw(i))
			}
		}
		if len(v) == 0 {
			return Range{}
		}
		lo, hi := unitrange.Robust(v)
		return Range{lo, hi}
	}
	if r := gather(false); unitrange.Like(r.Lo, r.Hi) {
		return Range{}
	}
	if r := gather(true); r.Hi > r.Lo {
		return r
	}
	return Range{}
}

// Len is the number of pictures.
func (m *Images) Len() int { return len(m.list) }

// Channels is the number of channels of every picture.
func (m *Images) Channels() int { return m.channels }

// Colour is how many pictures are in colour, of how many that were looked at.
func (m *Images) Colour() (colour, looked int) { return m.colour, m.looked }

// Range is black and white of the pictures; zero for image files.
func (m *Images) Range() Range { return m.scale }

// Name is the file of picture i, with #k for the page k, from 0, of several.
func (m *Images) Name(i int) string { return m.list[i].name }

// Skipped lists the files that were left out so far, sorted by path.
func (m *Images) Skipped() []Skip {
	m.skipped.Lock()
	defer m.skipped.Unlock()
	return slices.Clone(m.skipped.list)
}

// Image returns picture i in its range, decoding it if it is not in memory.
func (m *Images) Image(i int) (operators.Image, error) {
	r, err := m.list[i].load()
	if err != nil {
		return operators.Image{}, err
	}
	return r.image(), nil
}

// Hash is the SHA-256 of the files that the pictures are in, one after the other, in
// hexadecimal. It is the same for the same files in the same order in any folder.
func (m *Images) Hash() (string, error) {
	var files []string
	for _, p := range m.list {
		if len(files) == 0 || files[len(files)-1] != p.file {
			files = append(files, p.file)
		}
	}
	sums := make([][]byte, len(files))
	errs := make([]error, len(files))
	inParallel(len(files), func(i int) {
		f, err := os.Open(files[i])
		if err != nil {
			errs[i] = err
			return
		}
		defer f.Close()
		h := sha256.New()
		_, errs[i] = io.Copy(h, f)
		sums[i] = h.Sum(nil)
	})
	if err := errors.Join(errs...); err != nil {
		return "", fmt.Errorf("train: %w", err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(slices.Concat(sums...))), nil
}

// Split divides the pictures: every n-th (the last of each run of n, and at least one)
// is held back for validation, the others are for training. The same pictures give the
// same split. With a single picture both have it.
func (m *Images) Split(n int) (training, held *Images) {
	return m.SplitBy(n, func(name string) string { return name })
}

// SplitBy is Split for groups of pictures, such as folders, patients or stacks: all
// pictures of a group are held back, or none. group returns the name of the group for
// the Name of a picture.
func (m *Images) SplitBy(n int, group func(name string) string) (training, held *Images) {
	if n < 2 {
		panic(fmt.Sprintf("train: Split every %d, want at least 2", n))
	}
	number := map[string]int{}
	for _, p := range m.list {
		if g := group(p.name); number[g] == 0 {
			number[g] = len(number) + 1
		}
	}
	last := len(number)
	return m.divide(func(p *picture) bool {
		k := number[group(p.name)]
		return k%n == 0 || k == last && last < n
	})
}

// SplitList holds back the listed pictures. An entry is a picture's name, the end of it
// after a /, or the name of its file. It is an error, which names the entry, if there
// is no such picture.
func (m *Images) SplitList(names []string) (training, held *Images, err error) {
	matched := map[string]bool{}
	training, held = m.divide(func(p *picture) bool {
		hit := false
		for _, name := range names {
			for _, full := range []string{p.name, p.file} {
				if full == name || strings.HasSuffix(filepath.ToSlash(full), "/"+filepath.ToSlash(name)) {
					matched[name], hit = true, true
				}
			}
		}
		return hit
	})
	for _, name := range names {
		if !matched[name] {
			return nil, nil, fmt.Errorf("train: %s is on the list, but not among the %d pictures", name, len(m.list))
		}
	}
	return training, held, nil
}

// divide holds back some of the pictures; all of them are for training if none is left.
func (m *Images) divide(hold func(p *picture) bool) (training, held *Images) {
	a, b := *m, *m
	a.list, b.list = nil, nil
	for _, p := range m.list {
		if hold(p) {
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
	name, file string
	quality    int                     // of a JPEG file, 0 for others
	r          *raster                 // nil when it is decoded on demand
	open       func() (*raster, error) // nil when r is set
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

// estimate is about how many bytes the decoded files take, from their headers; from
// their sizes, where those tell nothing.
func estimate(files []string, channels int) int64 {
	sizes := make([]int64, len(files))
	inParallel(len(files), func(i int) {
		if st, err := os.Stat(files[i]); err == nil {
			sizes[i] = st.Size()
		}
		if c, err := header(files[i]); err == nil {
			planes := channels
			if planes == 0 {
				planes = 3
			}
			sizes[i] = max(sizes[i], int64(c.Width)*int64(c.Height)*int64(planes))
		}
	})
	total := int64(0)
	for _, s := range sizes {
		total += s
	}
	return total
}

// openFile returns the pictures of a file and notes those of no use.
func (m *Images) openFile(name string, o DataOptions) (out []*picture) {
	ext := strings.ToLower(filepath.Ext(name))
	if isIDX(name) || ext == ".gz" || ext == ".idx" {
		rs, err := openIDX(name)
		if err != nil {
			m.skipped.add(name, err)
		}
		for i, r := range rs {
			out = m.keep(out, &picture{name: fmt.Sprintf("%s#%d", name, i), file: name, r: r}, o)
		}
		return out
	}
	f, err := imageio.Open(name)
	if err != nil {
		m.skipped.add(name, cause(err))
		return nil
	}
	defer f.Close()
	var later *raster // stands for the pages of a file that are decoded on demand
	if m.streamed {
		if later, err = outline(f, name); err != nil {
			m.skipped.add(name, cause(err))
			return nil
		}
	}
	for i := range f.Pages() {
		p := &picture{name: name, file: name, r: later}
		if f.Pages() > 1 {
			p.name = fmt.Sprintf("%s#%d", name, i)
		}
		if m.streamed {
			p.open = func() (*raster, error) { return reopen(name, i, o) }
		} else {
			x, err := f.Page(i)
			if err != nil {
				m.skipped.add(p.name, cause(err))
				continue
			}
			if p.r = pack(x); x.JPEG != nil {
				p.quality = x.JPEG.Format.Quality()
			}
		}
		out = m.keep(out, p, o)
	}
	return out
}

// outline is a raster of the size of a file's pages, without samples: from the header,
// else from the first page.
func outline(f *imageio.File, name string) (*raster, error) {
	if c, err := header(name); err == nil {
		return &raster{c: 1, h: c.Height, w: c.Width}, nil
	}
	p, err := f.Page(0)
	if err != nil {
		return nil, err
	}
	return &raster{c: 1, h: p.H, w: p.W}, nil
}

func header(name string) (image.Config, error) {
	f, err := os.Open(name)
	if err != nil {
		return image.Config{}, err
	}
	defer f.Close()
	c, _, err := image.DecodeConfig(f)
	return c, err
}

// keep adds a picture that is large enough.
func (m *Images) keep(list []*picture, p *picture, o DataOptions) []*picture {
	if !o.Extend && min(p.r.h, p.r.w) < o.Patch {
		m.skipped.add(p.name, tooSmall(p.r.h, p.r.w, o.Patch))
		return list
	}
	if p.open != nil {
		p.r = nil
	} else {
		p.r = p.r.fit(o)
	}
	return append(list, p)
}

// reopen decodes a page of a file.
func reopen(name string, page int, o DataOptions) (*raster, error) {
	f, err := imageio.Open(name)
	if err != nil {
		return nil, cause(err)
	}
	defer f.Close()
	x, err := f.Page(page)
	if err != nil {
		return nil, cause(err)
	}
	return pack(x).fit(o), nil
}

// cause is an error without the name of the file.
func cause(err error) error {
	var bad *imageio.Error
	if errors.As(err, &bad) {
		return bad.Err
	}
	return err
}

func openIDX(name string) ([]*raster, error) {
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
		out[i] = &raster{c: 1, h: h, w: w, scale: 255, u8: pix[i*h*w : (i+1)*h*w]}
	}
	return out, nil
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
