package train

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/operators"
)

// writePNG writes a gray picture whose sample at (y,x) is f(y,x).
func writePNG(t testing.TB, path string, h, w int, f func(y, x int) uint8) {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetGray(x, y, color.Gray{Y: f(y, x)})
		}
	}
	writeImage(t, path, m)
}

func writeImage(t testing.TB, path string, m image.Image) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	err := png.Encode(&b, m)
	if filepath.Ext(path) == ".jpg" {
		b.Reset()
		err = jpeg.Encode(&b, m, nil)
	}
	if err == nil {
		err = os.WriteFile(path, b.Bytes(), 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// manyPNG writes n pictures; every sample of a picture tells which it is and
// where: picture*16 + (y+x)%16.
func manyPNG(t testing.TB, n, h, w int) string {
	dir := t.TempDir()
	for k := range n {
		writePNG(t, filepath.Join(dir, fmt.Sprintf("p%02d.png", k)), h, w, func(y, x int) uint8 {
			return uint8(k*16 + (y+x)%16)
		})
	}
	return dir
}

func idxFile(n, h, w int, pix []byte) []byte {
	b := []byte{0, 0, 8, 3}
	for _, d := range []int{n, h, w} {
		b = binary.BigEndian.AppendUint32(b, uint32(d))
	}
	return append(b, pix...)
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(b)
	z.Close()
	return out.Bytes()
}

func TestOpenImages(t *testing.T) {
	dir := t.TempDir()
	writePNG(t, filepath.Join(dir, "b", "deep", "gray.png"), 20, 30, func(y, x int) uint8 { return uint8(3*y + x) })
	rgb := image.NewNRGBA(image.Rect(0, 0, 25, 24))
	for i := range rgb.Pix {
		rgb.Pix[i] = uint8(i * 7)
		if i%4 == 3 {
			rgb.Pix[i] = 255
		}
	}
	writeImage(t, filepath.Join(dir, "a.png"), rgb)
	writeImage(t, filepath.Join(dir, "c.jpg"), rgb)
	writePNG(t, filepath.Join(dir, "small.png"), 5, 90, func(y, x int) uint8 { return 0 })
	writePNG(t, filepath.Join(dir, ".hidden.png"), 50, 50, func(y, x int) uint8 { return 0 })
	os.WriteFile(filepath.Join(dir, "broken.png"), []byte("\x89PNG\r\n\x1a\nno"), 0o666)
	os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("hello"), 0o666)
	stack := &imageio.Array{Shape: []int{4, 20, 20}, Data: make([]float32, 1600)}
	for i := range stack.Data {
		stack.Data[i] = float32(i) / 2000
	}
	if err := imageio.WriteArray(filepath.Join(dir, "d.npy"), stack); err != nil {
		t.Fatal(err)
	}
	digits := make([]byte, 3*28*28)
	for i := range digits {
		digits[i] = uint8(i)
	}
	os.WriteFile(filepath.Join(dir, "train-images-idx3-ubyte.gz"), gzipped(idxFile(3, 28, 28, digits)), 0o666)

	m, err := OpenImages([]string{dir}, DataOptions{Patch: 16})
	if err != nil {
		t.Fatal(err)
	}
	if m.Len() != 1+1+1+4+3 {
		t.Errorf("%d pictures, want 10", m.Len())
	}
	var why []string
	for _, s := range m.Skipped() {
		why = append(why, filepath.Base(s.Path)+": "+s.Reason)
	}
	if len(why) != 2 || !strings.HasPrefix(why[0], "broken.png: ") || why[1] != "small.png: 90x5 pixels are smaller than a patch of 16x16" {
		t.Errorf("skipped: %q", why)
	}
	get := func(m *Images, name string) operators.Image {
		for i := range m.Len() {
			if strings.HasSuffix(m.Name(i), name) {
				x, err := m.Image(i)
				if err != nil {
					t.Fatal(err)
				}
				return x
			}
		}
		t.Fatalf("no %s", name)
		return operators.Image{}
	}
	if x := get(m, "gray.png"); x.At(0, 3, 5) != float32(14)/255 {
		t.Errorf("gray (3,5) is %v, want 14/255", x.At(0, 3, 5))
	}
	// Luma to 16 bits: off by half a level at most.
	x := get(m, "a.png")
	for i := range x.Pix {
		p := rgb.Pix[4*i:]
		want := (0.299*float64(p[0]) + 0.587*float64(p[1]) + 0.114*float64(p[2])) / 255
		if math.Abs(float64(x.Pix[i])-want) > 0.51/65535 {
			t.Fatalf("luma at %d is %v, want %v", i, x.Pix[i], want)
		}
	}
	if x := get(m, "d.npy#2"); x.Pix[7] != stack.Data[807] {
		t.Errorf("stack: %v, want %v", x.Pix[7], stack.Data[807])
	}
	if x := get(m, "ubyte.gz#1"); x.Pix[9] != float32(digits[28*28+9])/255 {
		t.Errorf("idx: %v", x.Pix[9])
	}
	c, err := OpenImages([]string{filepath.Join(dir, "a.png"), filepath.Join(dir, "b")}, DataOptions{Channels: 3})
	if err != nil || c.Len() != 2 {
		t.Fatalf("%d pictures, error %v", c.Len(), err)
	}
	if x := get(c, "a.png"); x.At(2, 4, 5) != float32(rgb.Pix[(4*25+5)*4+2])/255 {
		t.Error("blue is not blue")
	}
	if x := get(c, "gray.png"); x.C != 3 || x.At(2, 3, 5) != float32(14)/255 {
		t.Error("gray is not repeated")
	}
	e, err := OpenImages([]string{filepath.Join(dir, "small.png")}, DataOptions{Patch: 16, Extend: true})
	if err != nil {
		t.Fatal(err)
	}
	if x := get(e, "small.png"); x.H != 16 || x.W != 90 {
		t.Errorf("extended to %v", x.Shape)
	}
	for _, c := range []struct {
		path, want string
	}{
		{filepath.Join(dir, "nothing"), "no such file"},
		{filepath.Join(dir, "small.png"), "none of 1 images can be used"},
		{filepath.Join(dir, "notes.txt"), "notes.txt"},
		{t.TempDir(), "no images found"},
	} {
		if _, err := OpenImages([]string{c.path}, DataOptions{Patch: 16}); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q", c.path, err, c.want)
		}
	}
}

func TestExtendMirrors(t *testing.T) {
	r := &raster{c: 2, h: 2, w: 3, u8: []uint8{0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15}}
	x := r.fit(DataOptions{Patch: 7, Extend: true})
	rows := [][]uint8{{0, 1, 2, 2, 1, 0, 0}, {3, 4, 5, 5, 4, 3, 3}}
	for c := range 2 {
		for y, k := range []int{0, 1, 1, 0, 0, 1, 1} {
			for j, v := range rows[k] {
				if got := x.u8[(c*7+y)*7+j]; got != v+uint8(10*c) {
					t.Fatalf("(%d,%d,%d) is %d, want %d", c, y, j, got, v+uint8(10*c))
				}
			}
		}
	}
}

func TestSplit(t *testing.T) {
	m := &Images{channels: 1, skipped: &skipList{}}
	for i := range 25 {
		m.list = append(m.list, &picture{name: fmt.Sprint(i), r: &raster{c: 1, h: 1, w: 1, u8: []uint8{0}}})
	}
	a, b := m.Split(10)
	if a.Len() != 23 || b.Len() != 2 || b.Name(0) != "9" || b.Name(1) != "19" {
		t.Errorf("%d and %d pictures", a.Len(), b.Len())
	}
	m.list = m.list[:3]
	if a, b = m.Split(10); a.Len() != 2 || b.Len() != 1 {
		t.Errorf("of 3: %d and %d", a.Len(), b.Len())
	}
	m.list = m.list[:1]
	if a, b = m.Split(10); a.Len() != 1 || b.Len() != 1 {
		t.Errorf("of 1: %d and %d", a.Len(), b.Len())
	}
}

// A step's batch is the same from any sampler, in any order of steps and on
// any number of goroutines; another step or seed gives another batch.
func TestSamplerIsAFunctionOfStep(t *testing.T) {
	m, err := OpenImages([]string{manyPNG(t, 5, 40, 50)}, DataOptions{})
	if err != nil {
		t.Fatal(err)
	}
	small, err := OpenImages([]string{manyPNG(t, 5, 40, 50)}, DataOptions{Budget: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range []*Images{m, small} {
		fresh := func() *Sampler {
			return &Sampler{Images: set, Patch: 16, Seed: 7, Symmetries: true, MinScale: 0.6, Jitter: 0.2}
		}
		const steps = 2*selectionSteps + 5
		get := func(s *Sampler, step int) []float32 {
			b := make([]float32, 4*s.Shape().Len())
			if err := s.Batch(b, step); err != nil {
				t.Error(err)
			}
			return b
		}
		s := fresh()
		var want [][]float32
		for k := range steps {
			want = append(want, get(s, k))
		}
		s = fresh()
		var wg sync.WaitGroup
		for w := range 3 {
			wg.Go(func() {
				for k := steps - 1 - w; k >= 0; k -= 7 {
					if !slices.Equal(get(s, k), want[k]) {
						t.Errorf("step %d differs", k)
					}
				}
			})
		}
		wg.Wait()
		// A larger batch starts with the smaller one.
		b := make([]float32, 9*s.Shape().Len())
		s.Batch(b, 3)
		if !slices.Equal(b[:len(want[3])], want[3]) {
			t.Error("the batch depends on its size")
		}
		if slices.Equal(want[0], want[1]) {
			t.Error("steps repeat")
		}
		other := fresh()
		other.Seed = 8
		if slices.Equal(get(other, 0), want[0]) {
			t.Error("seeds repeat")
		}
		for _, v := range b {
			if v < 0 || v > 1 {
				t.Fatalf("value %v out of [0,1]", v)
			}
		}
	}
	if small.streamed == m.streamed {
		t.Error("the budget has no effect")
	}
}

// Patches lie inside one picture, all pictures, positions and symmetries
// occur, and nothing else changes.
func TestSamplerCoverage(t *testing.T) {
	dir := t.TempDir()
	for k := range 3 {
		writePNG(t, filepath.Join(dir, fmt.Sprint(k, ".png")), 6, 7, func(y, x int) uint8 { return uint8(k*42 + y*7 + x) })
	}
	m, err := OpenImages([]string{dir}, DataOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := &Sampler{Images: m, Patch: 4, Symmetries: true}
	n := 16
	b := make([]float32, 64*n)
	seen := map[[3]int]int{}
	const batches = 40
	for step := range batches {
		if err := s.Batch(b, step); err != nil {
			t.Fatal(err)
		}
		for i := range 64 {
			p := make([]int, n)
			for j := range p {
				p[j] = int(math.Round(float64(b[i*n+j]) * 255))
			}
			k, first := slices.Min(p)/42, slices.Min(p)
			// Which symmetry: look at where the smallest corner's
			// neighbours went, by brute force over the eight.
			match := -1
			for sym := range 8 {
				ok := true
				for a := range 4 {
					for c := range 4 {
						y, x := a, c
						if sym&4 != 0 {
							y, x = x, y
						}
						if sym&2 != 0 {
							y = 3 - y
						}
						if sym&1 != 0 {
							x = 3 - x
						}
						ok = ok && p[a*4+c] == first+y*7+x
					}
				}
				if ok {
					match = sym
				}
			}
			if match < 0 {
				t.Fatalf("not a patch: %v", p)
			}
			seen[[3]int{k, first % 42, match}]++
		}
	}
	// 3 pictures, 3x4 positions, 8 symmetries, 2560 draws: 8.9 each.
	if len(seen) < 285 {
		t.Errorf("%d of 288 kinds of patches occur", len(seen))
	}
}

func TestSamplerSkipsBrokenLate(t *testing.T) {
	dir := manyPNG(t, 4, 20, 20)
	b, _ := os.ReadFile(filepath.Join(dir, "p01.png"))
	os.WriteFile(filepath.Join(dir, "p01.png"), b[:len(b)-20], 0o666)
	m, err := OpenImages([]string{dir}, DataOptions{Budget: 1})
	if err != nil {
		t.Fatal(err)
	}
	s := &Sampler{Images: m, Patch: 20}
	x := make([]float32, 8*400)
	for step := range 5 * selectionSteps {
		if err := s.Batch(x, step); err != nil {
			t.Fatal(err)
		}
		for _, v := range x {
			if int(math.Round(float64(v)*255))/16 == 1 {
				t.Fatal("a broken picture was used")
			}
		}
	}
	if k := m.Skipped(); len(k) != 1 || filepath.Base(k[0].Path) != "p01.png" {
		t.Errorf("skipped: %v", k)
	}
	// Opened anew: s still loads its next period from m.
	m, err = OpenImages([]string{filepath.Join(dir, "p01.png")}, DataOptions{Budget: 1})
	if err != nil {
		t.Fatal(err)
	}
	s = &Sampler{Images: m, Patch: 20}
	if err := s.Batch(x, 0); err == nil {
		t.Error("no error with only a broken picture")
	}
}

// Shrinking keeps constants and, away from the border, ramps; it removes what
// the coarser grid cannot hold.
func TestShrink(t *testing.T) {
	q, p := 25, 16
	var z shrink
	z.reset(q, p)
	src, dst := make([]float32, q*q), make([]float32, p*p)
	ratio := float64(q) / float64(p)
	for i := range src {
		src[i] = float32(i%q) + 10*float32(i/q)
	}
	z.apply(dst, src)
	for y := 2; y < p-2; y++ {
		for x := 2; x < p-2; x++ {
			want := (float64(x)+0.5)*ratio - 0.5 + 10*((float64(y)+0.5)*ratio-0.5)
			// The triangle's centre of mass moves a little with the phase.
			if math.Abs(float64(dst[y*p+x])-want) > 0.25*11 {
				t.Fatalf("ramp at (%d,%d): %v, want %v", y, x, dst[y*p+x], want)
			}
		}
	}
	for i := range src {
		src[i] = float32((i%q + i/q) % 2)
	}
	z.apply(dst, src)
	for i, v := range dst {
		if math.Abs(float64(v)-0.5) > 0.15 {
			t.Fatalf("checkerboard survives at %d: %v", i, v)
		}
	}
}

func TestNoise(t *testing.T) {
	n := 1 << 16
	x, a, b := make([]float32, n), make([]float32, n), make([]float32, n)
	for i := range x {
		x[i] = 0.5
	}
	AddNoise(a, x, 0.1, 3, 4, 5)
	var m, v, k float64
	for _, u := range a {
		d := (float64(u) - 0.5) / 0.1
		m += d
		v += d * d
		k += d * d * d * d
	}
	m, v, k = m/float64(n), v/float64(n), k/float64(n)
	// Standard errors: 1/256, sqrt(2)/256, sqrt(96)/256; five of them.
	if math.Abs(m) > 0.02 || math.Abs(v-1) > 0.028 || math.Abs(k-3) > 0.2 {
		t.Errorf("moments %v %v %v, want 0 1 3", m, v, k)
	}
	AddNoise(b, x, 0.1, 3, 4, 5)
	if !slices.Equal(a, b) {
		t.Error("not reproducible")
	}
	for _, c := range [][3]int{{2, 4, 5}, {3, 5, 5}, {3, 4, 4}, {3, 5, 4}} {
		AddNoise(b, x, 0.1, uint64(c[0]), c[1], c[2])
		s := 0.0
		for i := range a {
			s += float64(a[i]-0.5) * float64(b[i]-0.5) / 0.01
		}
		if math.Abs(s)/float64(n) > 0.02 {
			t.Errorf("noise %v is correlated: %v", c, s/float64(n))
		}
	}
}

func TestLaplace(t *testing.T) {
	b := make([]float32, 1<<16)
	if err := (Laplace{B: 2, Seed: 1}).Batch(b, 0); err != nil {
		t.Fatal(err)
	}
	var mean, abs float64
	above := 0
	for _, v := range b {
		mean += float64(v)
		abs += math.Abs(float64(v))
		if math.Abs(float64(v)) > 2 {
			above++
		}
	}
	n := float64(len(b))
	// E|x| = 2 with standard error 2/256, P(|x|>2) = 1/e.
	if math.Abs(mean/n) > 0.06 || math.Abs(abs/n-2) > 0.04 || math.Abs(float64(above)/n-1/math.E) > 0.01 {
		t.Errorf("mean %v, mean |x| %v, P(|x|>2) %v", mean/n, abs/n, float64(above)/n)
	}
}

func TestIDXRefuses(t *testing.T) {
	for _, c := range []struct {
		file []byte
		want string
	}{
		{nil, "not an idx file"},
		{[]byte{0x1f, 0x8b, 0}, "gzip"},
		{[]byte{0, 0, 8, 1, 0, 0, 0, 5}, "with 1 dims"},
		{idxFile(2, 3, 3, make([]byte, 17)), "17 bytes of 18"},
		{idxFile(1<<31, 1<<31, 1<<31, nil), "want 1 to"},
		{idxFile(0, 3, 3, nil), "want 1 to"},
		{gzipped(idxFile(1, 1<<15, 1<<15, make([]byte, 100))), "cut short"},
	} {
		if _, _, _, _, err := readIDX(bytes.NewReader(c.file)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
}

func FuzzIDX(f *testing.F) {
	f.Add(idxFile(2, 1, 2, []byte{1, 2, 3, 4}))
	f.Add(gzipped(idxFile(1, 1, 1, []byte{9})))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, h, w, pix, err := readIDX(bytes.NewReader(b))
		if err == nil && len(pix) != n*h*w {
			t.Errorf("%dx%dx%d with %d bytes", n, h, w, len(pix))
		}
	})
}

func benchSampler(b *testing.B, channels int, f func(*Sampler)) {
	dir := b.TempDir()
	rng := rand.New(rand.NewPCG(1, 1))
	for k := range 8 {
		writePNG(b, filepath.Join(dir, fmt.Sprint(k, ".png")), 180, 180, func(y, x int) uint8 { return uint8(rng.Uint32()) })
	}
	m, err := OpenImages([]string{dir}, DataOptions{Channels: channels})
	if err != nil {
		b.Fatal(err)
	}
	s := &Sampler{Images: m, Patch: 48, Symmetries: true}
	f(s)
	x := make([]float32, 4*s.Shape().Len())
	y := make([]float32, len(x))
	n := s.Shape().Len()
	b.ReportAllocs()
	for step := 0; b.Loop(); step++ {
		s.Batch(x, step)
		for i := range 4 {
			AddNoise(y[i*n:][:n], x[i*n:][:n], 0.1, 1, step, i)
		}
	}
}

// A batch of 4 patches of 48x48 with its noise: what a training step waits for.
func BenchmarkBatch(b *testing.B) {
	b.Run("gray", func(b *testing.B) { benchSampler(b, 1, func(*Sampler) {}) })
	b.Run("colour", func(b *testing.B) { benchSampler(b, 3, func(*Sampler) {}) })
	b.Run("scaled", func(b *testing.B) { benchSampler(b, 1, func(s *Sampler) { s.MinScale = 0.6 }) })
}
