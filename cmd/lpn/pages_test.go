package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/operators"
)

// savePages writes n pages that differ.
func savePages(t *testing.T, path string, n int) string {
	t.Helper()
	pages := func(yield func(*imageio.Picture, error) bool) {
		for i := range n {
			p := picture(1, 12, 14, 8)
			for k := range p.Pix {
				p.Pix[k] = (p.Pix[k] + float32(i)) / float32(n)
			}
			if !yield(p, nil) {
				return
			}
		}
	}
	if err := imageio.WritePages(path, n, pages, imageio.Options{}); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRestorePages: every page is restored as it would be alone, into one file;
// --page takes one of them.
func TestRestorePages(t *testing.T) {
	dir := t.TempDir()
	pr := prior(t)
	flags := []string{"restore", "--prior", pr, "--noise", "0.1", "--iters", "2", "--force"}
	for _, in := range []string{"in.tif", "in.png", "in.npy"} {
		in := savePages(t, filepath.Join(dir, in), 4)
		for _, out := range []string{"out.tif", "out.png", "out.npy"} {
			out := filepath.Join(dir, out)
			r := asJSON[restoredPages](t, must(t, append(flags, "--json", in, "-o", out)...))
			if len(r.Pages) != 4 || r.Output != out {
				t.Errorf("%d pages to %s", len(r.Pages), r.Output)
			}
			f, err := imageio.Open(out)
			if err != nil {
				t.Fatal(err)
			}
			if f.Pages() != 4 {
				t.Fatalf("%s: %d pages", out, f.Pages())
			}
			one := filepath.Join(dir, "one.npy")
			must(t, append(flags, "--page", "3", in, "-o", one)...)
			alone, err := imageio.Read(one)
			if err != nil {
				t.Fatal(err)
			}
			p, err := f.Page(2)
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
			for i, v := range p.Pix {
				want := min(max(float64(alone.Pix[i]), 0), 1)
				if strings.HasSuffix(out, ".npy") {
					want = float64(alone.Pix[i])
				}
				if math.Abs(float64(v)-want) > 0.5/255+1e-6 {
					t.Fatalf("%s to %s: sample %d is %v, alone %v", in, out, i, v, want)
				}
			}
		}
		for _, c := range []struct{ args, want string }{
			{"--page 5", "--page 5: " + in + " has 4"},
			{"--page -1", "--page: -1; want 1 or more"},
			{"--trace " + filepath.Join(dir, "t.csv"), "has 4 pages: choose one by --page"},
		} {
			args := append(append(append([]string{}, flags...), strings.Fields(c.args)...), in, "-o", filepath.Join(dir, "no.tif"))
			if code, _, stderr := call(t, args...); code != exitUsage || !strings.Contains(stderr, c.want) {
				t.Errorf("%s: exit %d: %s; want %q", c.args, code, stderr, c.want)
			}
		}
		if code, _, stderr := call(t, append(flags, in, "-o", filepath.Join(dir, "no.jpg"))...); code != exitUsage || !strings.Contains(stderr, "jpeg holds one picture") {
			t.Errorf("exit %d: %s", code, stderr)
		}
		if _, _, stderr := call(t, "degrade", "--force", in, "-o", filepath.Join(dir, "d.png")); !strings.Contains(stderr, "only the first of 4 pages is used") {
			t.Errorf("degrade: %s", stderr)
		}
	}
}

// TestClashingNames: a.png and a.tif of one folder keep apart.
func TestClashingNames(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	save(t, filepath.Join(in, "a.png"), picture(1, 9, 9, 8))
	save(t, filepath.Join(in, "a.tif"), picture(1, 9, 9, 8))
	save(t, filepath.Join(in, "b.tif"), picture(1, 9, 9, 8))
	must(t, "degrade", "--format", "png", in, "-o", out)
	found, _ := os.ReadDir(out)
	var names []string
	for _, e := range found {
		names = append(names, e.Name())
	}
	if strings.Join(names, " ") != "a.png a.tif.png b.png" {
		t.Errorf("%v", names)
	}
}

// TestClippedRemark: what a file cannot hold is said, with its share.
func TestClippedRemark(t *testing.T) {
	dir := t.TempDir()
	pr := prior(t)
	p := picture(1, 10, 10, 8)
	p.Bits = 32
	for i := range p.Pix {
		p.Pix[i] = 1000 + 100*p.Pix[i]
	}
	in := save(t, filepath.Join(dir, "counts.npy"), p)
	run := func(out string) string {
		code, _, stderr := call(t, "restore", "--prior", pr, "--noise", "10", "--iters", "2", in, "-o", filepath.Join(dir, out))
		if code != 0 {
			t.Fatal(stderr)
		}
		return stderr
	}
	if s := run("x.png"); !strings.Contains(s, "100% of the samples, which go from 1") {
		t.Errorf("PNG: %q", s)
	}
	for _, out := range []string{"x.npy", "x.tif"} {
		if s := run(out); strings.Contains(s, "clipped") {
			t.Errorf("%s: %q", out, s)
		}
		q, err := imageio.Read(filepath.Join(dir, out))
		if err != nil || q.Pix[0] < 900 {
			t.Errorf("%s: %v, %v", out, q, err)
		}
	}
}

// TestScaledMeta: the resolution grows with the picture, opacity is interpolated
// like a gray picture.
func TestScaledMeta(t *testing.T) {
	p := &imageio.Picture{Image: operators.NewImage(operators.Shape{C: 1, H: 6, W: 8}), Alpha: make([]uint16, 48)}
	p.Meta.DPI = [2]float64{100, 50}
	for i := range p.Alpha {
		p.Alpha[i] = uint16(1000 * (i % 8))
	}
	q := p.With(operators.NewImage(operators.Shape{C: 1, H: 12, W: 16}), false)
	if q.Meta.DPI != [2]float64{200, 100} || p.Meta.DPI != [2]float64{100, 50} {
		t.Errorf("%v dpi", q.Meta.DPI)
	}
	// A ramp stays one between the borders: pixel x lies at (x + 1/2)/2 - 1/2.
	for x := 5; x < 11; x++ {
		if want := 1000 * ((float64(x)+0.5)/2 - 0.5); math.Abs(float64(q.Alpha[5*16+x])-want) > 1 {
			t.Errorf("opacity at %d is %d, want %v", x, q.Alpha[5*16+x], want)
		}
	}
	q = p.With(operators.NewImage(operators.Shape{C: 1, H: 4, W: 6}), true)
	if q.Meta.DPI != p.Meta.DPI || q.Alpha[0] != 1000 {
		t.Errorf("cut: %v dpi, opacity %d", q.Meta.DPI, q.Alpha[0])
	}
}
