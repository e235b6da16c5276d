package operators

import (
	"slices"
	"testing"
)

// specTable has a spec of every form, "FILE" standing for a kernel or a mask.
var specTable = []string{
	"denoise",
	"blur:gaussian,sigma=1,size=5", "blur:uniform,size=4", "blur:motion,length=5,angle=30", "blur:disk,radius=1.7", "blur:kernel=FILE", "blur:auto,kind=free",
	"cs:ratio=0.5", "cs:ratio=0.5,kind=hadamard", "cs:ratio=0.5,kind=fourier", "cs:ratio=0.5,kind=gaussian",
	"inpaint:ratio=0.5", "inpaint:mask=FILE",
	"sr:factor=2", "sr:factor=2,kernel=box", "sr:factor=3x2,kernel=bilinear", "sr:factor=2,kernel=bicubic", "sr:factor=2,kernel=lanczos3", "sr:factor=2,kernel=gaussian",
	"sr:factor=3,kernel=uniform,size=2", "sr:factor=2,kernel=motion,length=3", "sr:factor=2,kernel=disk,radius=1", "sr:factor=2,kernel=FILE",
	"sr:factor=2,align=corner", "sr:factor=3,kernel=uniform,size=2,align=corner", "sr:factor=2,kernel=motion,length=3,align=corner",
	"sr:factor=2,kernel=disk,radius=1,align=corner", "sr:factor=2,kernel=FILE,align=corner",
	"tomo:angles=12",
	"mri:accel=2",
	"jpeg:quality=30",
}

// tableFile is a kernel of 3 x 4 taps, and for an inpaint a mask of s.
func tableFile(sp Spec, s Shape) Image {
	if sp.Name() != "inpaint" {
		return Image{Shape{1, 3, 4}, []float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 8, 7, 6}}
	}
	m := NewImage(Shape{1, s.H, s.W})
	for i := range m.Pix {
		m.Pix[i] = float32(i % 2)
	}
	return m
}

// TestSpecTable: every form, under every boundary that it takes, comes back
// from its text, and what it says of scene, frame and support is what the
// operator does, found by perturbing one pixel of the scene at a time.
func TestSpecTable(t *testing.T) {
	untried := map[*form]bool{}
	for _, f := range families {
		for _, w := range f.forms {
			untried[w] = true
		}
	}
	scene := Shape{3, 14, 15}
	for _, text := range specTable {
		sp, err := ParseSpec(text)
		if err != nil {
			t.Fatal(err)
		}
		delete(untried, sp.form)
		if again, err := ParseSpec(sp.String()); err != nil || again != sp {
			t.Errorf("%s reads as %s, and that as %s, %v", text, sp, again, err)
		}
		reads := 0
		loaded, err := sp.Load(func(path string) (Image, error) { reads++; return tableFile(sp, scene), nil })
		if err != nil {
			t.Fatal(err)
		}
		if sp.File() != "" {
			if _, _, local := sp.Support(); local {
				t.Errorf("%s: has a support before its file is loaded", text)
			}
			if _, err := sp.Build(scene); err == nil {
				t.Errorf("%s: builds before its file is loaded", text)
			}
			if again, err := loaded.Load(nil); err != nil || again != loaded || reads != 1 {
				t.Errorf("%s: loaded twice: %v, %d reads", text, err, reads)
			}
			if d := loaded.Data(); d.Len() != tableFile(sp, scene).Len() {
				t.Errorf("%s: holds %v", text, d.Shape)
			}
		} else if loaded != sp || reads > 0 {
			t.Errorf("%s: Load of no file changes the spec", text)
		}
		if sp.Auto() {
			if _, err := sp.Build(scene); err == nil {
				t.Errorf("%s: builds before its kernel is found", text)
			}
			if loaded = sp.WithData(tableFile(sp, scene)); loaded.Auto() {
				t.Errorf("%s: still to be found", text)
			}
		}
		for b := Symmetric; b <= Valid; b++ {
			under := loaded.WithBoundary(b)
			if !sp.TakesBoundary() {
				if under != loaded {
					t.Errorf("%s: takes the boundary %v", text, b)
				}
				if b > Symmetric {
					break
				}
			}
			t.Run(text+"/"+b.String(), func(t *testing.T) { checkSpec(t, under, scene) })
		}
	}
	for f := range untried {
		t.Errorf("no spec of %s:%s in the table", f.name, f.variant)
	}
}

func checkSpec(t *testing.T, sp Spec, scene Shape) {
	a, err := sp.Build(scene)
	if err != nil {
		t.Fatal(err)
	}
	y := a.Codomain()
	if a.Domain() != scene {
		t.Errorf("domain %v of a scene %v", a.Domain(), scene)
	}
	fh, fw := sp.Frame(y, scene)
	behind, err := sp.Scene(y)
	if (err == nil) != sp.ImageShaped() {
		t.Errorf("picture %v, scene %v, %v", sp.ImageShaped(), behind, err)
	}
	if err == nil {
		// The scene behind a measurement gives such a measurement, and frames
		// all of it: factor pixels for a sample.
		again, err := sp.Build(behind)
		if err != nil || again.Codomain() != y {
			t.Fatalf("the scene behind %v is %v, and measures %v, %v", y, behind, again.Codomain(), err)
		}
		x, down, ok := sp.factor()
		if !ok {
			x, down = 1, 1
		}
		if h, w := sp.Frame(y, behind); h != int(down)*y.H || w != int(x)*y.W {
			t.Errorf("a frame of %dx%d in the scene behind a measurement %v", h, w, y)
		}
	}
	kh, kw, local := sp.Support()
	seen := dependences(a)
	if !local {
		if !sp.TakesBoundary() && sp.ImageShaped() && sp.Name() != "sr" {
			t.Error("no support")
		}
		if widest(seen, scene) < scene.W/2 && sp.Name() != "sr" {
			t.Errorf("no support, but no sample depends on more than %d pixels", widest(seen, scene))
		}
		return
	}
	if y.H != fh || y.W != fw {
		t.Fatalf("local, but %v is no picture of the frame %dx%d", y, fh, fw)
	}
	// What the frame leaves out of the scene before it.
	top, left := scene.H-fh-(scene.H-fh+1)/2, scene.W-fw-(scene.W-fw+1)/2
	for i, at := range seen {
		c, r, q := i/(y.H*y.W), i/y.W%y.H+top, i%y.W+left
		rows, cols := span(sp.boundary, r, kh, scene.H), span(sp.boundary, q, kw, scene.W)
		low, high := [2]int{scene.H, scene.W}, [2]int{-1, -1}
		for _, p := range at {
			pc, pr, pq := p/(scene.H*scene.W), p/scene.W%scene.H, p%scene.W
			if pc != c || !slices.Contains(rows, pr) || !slices.Contains(cols, pq) {
				t.Fatalf("sample %d at (%d,%d) depends on (%d,%d), out of its %dx%d", i, r, q, pr, pq, kh, kw)
			}
			low = [2]int{min(low[0], pr), min(low[1], pq)}
			high = [2]int{max(high[0], pr), max(high[1], pq)}
		}
		inside := r >= kh && r < scene.H-kh && q >= kw && q < scene.W-kw
		if inside && len(at) > 0 && (high[0]-low[0]+1 != kh || high[1]-low[1]+1 != kw) {
			t.Fatalf("sample %d depends on rows and columns %v to %v, not on %dx%d pixels", i, low, high, kh, kw)
		}
	}
}

// span lists the pixels of an axis of n on which the sample at position i
// depends through a kernel of k taps.
func span(b Boundary, i, k, n int) []int {
	var at []int
	for j := i - (k - 1 - k/2); j <= i+k/2; j++ {
		at = append(at, b.source(j, n))
	}
	return at
}

// dependences lists, for every sample, the pixels whose change changes it.
func dependences(a Linear) [][]int {
	seen := make([][]int, a.Codomain().Len())
	x, y := make([]float32, a.Domain().Len()), make([]float32, a.Codomain().Len())
	for p := range x {
		x[p] = 1
		a.Apply(y, x)
		x[p] = 0
		for i, v := range y {
			if v > 1e-5 || v < -1e-5 {
				seen[i] = append(seen[i], p)
			}
		}
	}
	return seen
}

// widest is the largest distance of two pixels, along an axis, on which one
// sample depends.
func widest(seen [][]int, s Shape) int {
	most := 0
	for _, at := range seen {
		for _, p := range at {
			dy, dx := p/s.W%s.H-at[0]/s.W%s.H, p%s.W-at[0]%s.W
			most = max(most, dy, -dy, dx, -dx)
		}
	}
	return most
}
