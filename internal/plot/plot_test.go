package plot

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/othertest"
	"github.com/lpn-imaging/lpn/lpn/explore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/sbinet/npyio/npz"
)

func picture(c, h, w int) operators.Image {
	m := operators.NewImage(operators.Shape{C: c, H: h, W: w})
	for i := range m.Pix {
		m.Pix[i] = float32(i%w) / float32(w)
	}
	return m
}

// figures are one of each kind, with holes where numbers may be missing.
func figures() map[string]Figure {
	nan := math.NaN()
	heat := Heat{Label: "R (nats)", H: 4, W: 6, Values: make([]float64, 24)}
	c := Contours{X: "a", Y: "b", Label: "R", XS: []float64{-1, 0, 1}, YS: []float64{0, 1}, Z: []float64{3, 1, 3, 4, 2, 4}, Marks: []Mark{{"x", 0, 0}, {"y", 1, 1}}}
	holes := c
	holes.Z = []float64{3, nan, 3, 4, 2, 4}
	for i := range heat.Values {
		heat.Values[i] = float64(i) - 12
	}
	beside := heat
	beside.Picture, beside.PictureTitle = picture(1, 4, 6), "picture"
	flat := Heat{H: 2, W: 2, Values: []float64{1, 1, nan, 1}}
	a, b := picture(3, 10, 20), picture(3, 10, 20)
	a.Pix[3] = 1
	return map[string]Figure{
		"lines": Lines{X: "noise (255ths)", Y: "R", Title: "t", Series: []Series{
			{Name: "one", X: []float64{0, 1, 2, 3}, Y: []float64{1, 2, nan, 4}, Lo: []float64{0, 1, nan, 3}, Hi: []float64{2, 3, nan, 5}, Points: true},
			{Name: "two", X: []float64{0, 3}, Y: []float64{4, 1}, Reference: true},
			{Name: "none", X: []float64{0}, Y: []float64{nan}},
		}},
		"log":      Lines{Y: "residual", LogX: true, LogY: true, Series: []Series{{X: []float64{0, 1, 10}, Y: []float64{1, 0, 1e-5}}, {X: []float64{1, 100}, Y: []float64{1, 1e-3}}}},
		"boxes":    Boxes{X: "level", Y: "R", Groups: []Group{{"0", []float64{1, 2, 3, 9, nan}}, {"1", []float64{2, 2}}, {"empty", nil}}},
		"heat":     heat,
		"flat":     flat,
		"beside":   beside,
		"contours": c,
		"holes":    holes,
		"sheet": Sheet{Title: "sheet", Rows: [][]Cell{
			{{Caption: "input", Picture: a, Frame: image.Rect(2, 3, 6, 7)}, {Caption: "result", Picture: b}, ErrorMap("error", a, b)},
			{Zoomed("crop", Cell{Picture: a}, 8, 18, 4, 4)},
		}},
	}
}

func TestWrite(t *testing.T) {
	for name, f := range figures() {
		for _, format := range Formats {
			var a, b bytes.Buffer
			if err := Write(&a, format, f); err != nil {
				t.Errorf("%s as %s: %v", name, format, err)
				continue
			}
			Write(&b, format, f)
			// The libraries draw the contours of one level, and put the images of a PDF, in
			// any order.
			loose := name == "contours" && a.Len() == b.Len() || format == "pdf" && slices.Contains([]string{"contours", "beside", "sheet"}, name)
			same := bytes.Equal(a.Bytes(), b.Bytes()) || loose
			if a.Len() == 0 && !(name == "sheet" && format == "npz") || !same {
				t.Errorf("%s as %s: %d bytes, then others", name, format, a.Len())
			}
			if format == "png" {
				m, err := png.Decode(&a)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				colours := map[string]bool{}
				for y := 0; y < m.Bounds().Dy(); y += 3 {
					for x := 0; x < m.Bounds().Dx(); x += 3 {
						colours[fmt.Sprint(m.At(x, y))] = true
					}
				}
				if len(colours) < 3 {
					t.Errorf("%s: the picture is empty", name)
				}
			}
			if format == "svg" && name == "lines" && !strings.Contains(a.String(), "noise (255ths)") {
				t.Errorf("%s: the axis has no label", name)
			}
		}
	}
	all := figures()
	for _, format := range Formats {
		if err := Write(io.Discard, format, all["lines"], all["heat"], all["log"]); err != nil {
			t.Errorf("three figures as %s: %v", format, err)
		}
	}
}

// TestLogTicks: at least three labels are on a logarithmic axis of any length.
func TestLogTicks(t *testing.T) {
	for _, r := range [][2]float64{{0.28, 0.31}, {0.1, 0.9}, {1e-5, 0.3}, {3, 40}, {1e-3, 2e-3}, {7, 7.1}} {
		var labels []string
		for _, k := range (logTicks{}).Ticks(r[0], r[1]) {
			if k.Value < r[0]*0.999 || k.Value > r[1]*1.001 {
				t.Errorf("%v: a tick at %v", r, k.Value)
			}
			if k.Label != "" {
				labels = append(labels, k.Label)
				if v, err := strconv.ParseFloat(k.Label, 64); err != nil || math.Abs(v-k.Value) > 1e-6*k.Value {
					t.Errorf("%v: %q stands at %v", r, k.Label, k.Value)
				}
			}
		}
		if len(labels) < 3 || len(labels) > 9 {
			t.Errorf("%v: labels %q", r, labels)
		}
	}
}

// TestTicks: labels are few, even, inside, and say what they stand for.
func TestTicks(t *testing.T) {
	for _, r := range [][2]float64{{0, 1}, {-3, 3}, {0, 0.2}, {-8.6, -6.2}, {1234567, 9876543}, {-2e-7, 3e-7}, {0.5, 2.4}, {0, 1e-3}, {99.7, 100.2}} {
		ts := ticks{}.Ticks(r[0], r[1])
		if len(ts) < 3 || len(ts) > 10 {
			t.Errorf("%v: %d ticks", r, len(ts))
		}
		for i, k := range ts {
			v, err := strconv.ParseFloat(k.Label, 64)
			if err != nil || math.Abs(v-k.Value) > 1e-6*(r[1]-r[0]) || k.Value < r[0]-1e-9*(r[1]-r[0]) || k.Value > r[1]*(1+1e-9)+1e-9*(r[1]-r[0]) || strings.HasPrefix(k.Label, "-0") && v == 0 {
				t.Errorf("%v: label %q at %g", r, k.Label, k.Value)
			}
			if i > 1 && math.Abs(k.Value-2*ts[i-1].Value+ts[i-2].Value) > 1e-6*(r[1]-r[0]) {
				t.Errorf("%v: uneven ticks", r)
			}
		}
	}
}

// TestLegend: it keeps away from what is drawn.
func TestLegend(t *testing.T) {
	up := Lines{Series: []Series{{Name: "rising", X: []float64{0, 1}, Y: []float64{0, 1}}}}
	down := Lines{Series: []Series{{Name: "falling", X: []float64{0, 1}, Y: []float64{1, 0}}}}
	for _, c := range []struct {
		l         Lines
		top, left bool
	}{{up, true, true}, {down, true, false}} {
		p, err := c.l.panel(Style{}.layout())
		if err != nil {
			t.Fatal(err)
		}
		if g := p.main.Legend; g.Top != c.top || g.Left != c.left {
			t.Errorf("%s: the legend is at top %v, left %v", c.l.Series[0].Name, g.Top, g.Left)
		}
	}
	full := Lines{Series: []Series{{Name: "a", X: []float64{0, 1, 0, 1, 0}, Y: []float64{0, 0, 1, 1, 0.5}}}}
	p, err := full.panel(Style{}.layout())
	if err != nil || !(p.main.Y.Max > 1.05) {
		t.Errorf("no room for the legend: up to %g, %v", p.main.Y.Max, err)
	}
}

func TestWriteRefuses(t *testing.T) {
	for name, f := range map[string]Figure{
		"no numbers":   Lines{Series: []Series{{X: []float64{1}, Y: []float64{math.Inf(1)}}}},
		"lengths":      Lines{Series: []Series{{X: []float64{1, 2}, Y: []float64{1}}}},
		"map size":     Heat{H: 2, W: 2, Values: []float64{1}},
		"grid":         Contours{XS: []float64{1}, YS: []float64{1}, Z: []float64{1}},
		"empty sheet":  Sheet{},
		"no picture":   Sheet{Rows: [][]Cell{{{}}}},
		"empty groups": Boxes{},
	} {
		if err := Write(io.Discard, "png", f); err == nil {
			t.Errorf("%s: drawn", name)
		}
	}
	if err := Write(io.Discard, "png"); err == nil {
		t.Error("nothing drawn without error")
	}
	if err := Write(io.Discard, "gif", Sheet{}); err == nil {
		t.Error("gif")
	}
	if _, err := FormatOf("a.gif"); err == nil {
		t.Error("a.gif")
	}
	if f, err := FormatOf("dir/A.PNG"); f != "png" || err != nil {
		t.Error(f, err)
	}
}

func TestNPZ(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.npz")
	w, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(w, "npz", figures()["heat"]); err != nil {
		t.Fatal(err)
	}
	w.Close()
	r, err := npz.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var v []float64
	if err := r.Read("R.npy", &v); err != nil || len(v) != 24 || v[3] != -9 {
		t.Errorf("%v, %v", v, err)
	}
}

func TestConvergence(t *testing.T) {
	nan := math.NaN()
	steps := []Step{{1, 3, 0.1, nan}, {2, 2, 0.01, nan}, {3, 1.5, 0, nan}}
	fs := Convergence(steps)
	if len(fs) != 2 || fs[1].(Lines).X != "iteration" {
		t.Errorf("%d panels", len(fs))
	}
	if err := Write(io.Discard, "svg", fs...); err != nil {
		t.Error(err)
	}
	if len(Convergence(nil)) != 0 {
		t.Error("a figure of nothing")
	}
}

func TestBusiest(t *testing.T) {
	m := operators.NewImage(operators.Shape{C: 1, H: 40, W: 40})
	for i := 20; i < 30; i++ {
		for j := 10; j < 20; j += 2 {
			m.Pix[i*40+j] = 1
		}
	}
	if y, x := Busiest(m, 10, 10); y < 14 || y > 26 || x < 4 || x > 16 {
		t.Errorf("the busiest window is at %d,%d", y, x)
	}
	if y, x := Busiest(m, 100, 100); y != 0 || x != 0 {
		t.Errorf("a window larger than the picture is at %d,%d", y, x)
	}
	c := Zoomed("", Cell{Picture: m}, 35, 38, 10, 10)
	if c.Picture.H != 10 || c.Picture.W != 10 {
		t.Errorf("the crop is %v", c.Picture.Shape)
	}
}

func ExampleWrite() {
	f := Lines{X: "level", Y: "R", Series: []Series{{Name: "mean", X: []float64{0, 1}, Y: []float64{0.5, 2}}}}
	Write(os.Stdout, "csv", f)
	// Output:
	// series,level,R
	// mean,0,0.5
	// mean,1,2
}

// TestExplore: the figures of package explore hold its numbers.
func TestExplore(t *testing.T) {
	path := func(a, b float64) explore.PathResult {
		return explore.PathResult{Prior: "dir/mine.safetensors", Parameter: "noise", Levels: explore.Numbers{0, 0.1}, Values: explore.Numbers{a, b}}
	}
	two := []explore.PathResult{path(1, 5), path(3, 5)}
	l := Paths(two, two[:1])
	if s := l.Series[0]; s.Name != "mine, mean ± deviation of 2" || s.Y[0] != 2 || s.Lo[0] != 1 || s.Hi[0] != 3 || s.Hi[1] != 5 || l.X != "noise" {
		t.Errorf("%+v", s)
	}
	if s := l.Series[1]; s.Name != "mine" || s.Y[0] != 1 || s.Lo != nil {
		t.Errorf("%+v", s)
	}
	if b := PathBoxes(two); len(b.Groups) != 2 || b.Groups[1].Label != "0.1" || !slices.Equal(b.Groups[0].Values, []float64{1, 3}) {
		t.Errorf("%+v", b)
	}
	two[0].Change = true
	if l := Paths(two); !strings.HasPrefix(l.Y, "change of R") {
		t.Errorf("the change is called %q", l.Y)
	}
	c := Slice(explore.SliceResult{U: "a/b.png", V: "noise", A: explore.Numbers{-1, 1}, B: explore.Numbers{-2, 2}, Z: explore.Numbers{4, 3, 2, 5}})
	if c.X != "towards b.png (σ√n)" || c.Label != "R/σ² (nats)" || len(c.Marks) != 2 || c.Marks[1] != (Mark{"least", -1, 2}) {
		t.Errorf("%+v", c)
	}
	x := picture(1, 4, 6)
	s := PathExamples(x, explore.Dim{}, []float64{0, 0.1, 0.2, 0.3, 0.4}, 3)
	if row := s.Rows[0]; len(row) != 3 || row[1].Caption != "0.2" || row[2].Picture.Pix[3] != x.Pix[3]*float32(1-0.4) {
		t.Errorf("%+v", s)
	}
	fs := Curves(explore.Laplace{B: 1, Sigma: 1}, explore.CurveResult{Prior: "p", X: explore.Numbers{-1, 2}, F: explore.Numbers{0, 1}, Psi: explore.Numbers{3, 4}, R: explore.Numbers{1, 2}})
	f, psi := fs[0].(Lines), fs[2].(Lines)
	if len(fs) != 3 || len(f.Series) != 4 || f.Series[1].Y[1] != 1 || psi.Series[0].Y[1] != 1 {
		t.Errorf("%+v", fs)
	}
}

// TestStyle: the width is that of the file, text takes the size asked for, bare leaves
// titles out, and a PDF is the same each time.
func TestStyle(t *testing.T) {
	f := Lines{Title: "a title", X: "x", Y: "y", Series: []Series{{X: []float64{0, 1}, Y: []float64{0, 1}}}}
	make := func(s Style, format string) string {
		t.Helper()
		var b bytes.Buffer
		if err := s.Write(&b, format, f); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	// 85 mm are 240.94 points.
	small := make(Style{Width: 85, FontSize: 8}, "svg")
	if !strings.Contains(small, `width="240.94`) {
		t.Errorf("85 mm wide: %.200s", small)
	}
	// Axis labels are 12 points by default, which 8 for 10 makes 9.6.
	if !strings.Contains(small, "font-size:9.6px") || strings.Contains(small, "font-size:12px") {
		t.Error("text of 8 points is not")
	}
	if !strings.Contains(small, "a title") || strings.Contains(make(Style{Bare: true}, "svg"), "a title") {
		t.Error("bare figures have titles, or others none")
	}
	pdf := make(Style{Width: 85}, "pdf")
	if !strings.HasPrefix(pdf, "%PDF-") || !strings.Contains(pdf, "/MediaBox [0 0 240.94") {
		t.Errorf("a PDF of 85 mm: %.300s", pdf)
	}
	if make(Style{Width: 85}, "pdf") != pdf {
		t.Error("a PDF made twice differs")
	}
}

// TestPDFIsUpright: another program sees the pictures of a PDF as those of a PNG, and letters
// beyond ASCII.
func TestPDFIsUpright(t *testing.T) {
	program := othertest.Program(t, "pdftoppm")
	f := Heat{H: 2, W: 2, Values: []float64{1, 1, 0, 0}, Hi: 1, Label: "σ√n"}
	var want, pdf bytes.Buffer
	if err := Write(&want, "png", f); err != nil {
		t.Fatal(err)
	}
	if err := Write(&pdf, "pdf", f); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "page")
	cmd := exec.Command(program, "-r", "150", "-png", "-singlefile", "-", to)
	cmd.Stdin = &pdf
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(to + ".png")
	if err != nil {
		t.Fatal(err)
	}
	a, err := png.Decode(&want)
	if err != nil {
		t.Fatal(err)
	}
	b, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	// Rounding moves edges by a pixel; elsewhere both are dark, or both light.
	differ, all := 0, 0
	r := a.Bounds().Intersect(b.Bounds())
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			all++
			u, _, _, _ := a.At(x, y).RGBA()
			v, _, _, _ := b.At(x, y).RGBA()
			if math.Abs(float64(u)-float64(v)) > 0x3000 {
				differ++
			}
		}
	}
	if all == 0 || differ*100 > all {
		t.Errorf("%d of %d pixels differ from the PNG", differ, all)
	}
}
