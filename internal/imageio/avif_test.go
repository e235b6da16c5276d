//go:build !small

package imageio

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/av1"
	"github.com/lpn-imaging/lpn/operators"
)

// TestAVIF compares with what libavif decoded: pictures of 8, 10 and 12 bits, gray, of
// lower chroma, of studio levels, and of tiles. For 8 bits libavif rounds chroma to levels
// at every step and then the colours, here nothing is rounded.
func TestAVIF(t *testing.T) {
	for _, c := range []struct {
		name    string
		c, bits int
		step    int     // which pixels were kept
		most    float64 // levels
	}{
		{"yuv444", 3, 8, 1, 1.6}, {"yuv422", 3, 8, 1, 3.5}, {"yuv420", 3, 8, 1, 3.5},
		{"studio444", 3, 8, 1, 1.6}, {"studio422", 3, 8, 1, 3.5}, {"studio420", 3, 8, 1, 3.5},
		{"luma", 1, 8, 1, 0.51}, {"odd", 3, 8, 1, 3.5}, {"deep10", 3, 10, 1, 2}, {"deep12", 3, 12, 1, 2},
		{"opaque", 3, 8, 1, 1.6}, {"premultiplied", 3, 8, 1, 4}, {"tiles", 3, 8, 7, 2},
	} {
		p, want := readOther(t, c.name+".avif"), readOther(t, c.name+".avif.npy")
		if p.C != c.c || p.Scale != math.Ldexp(1, c.bits)-1 || p.Native() || (p.H+c.step-1)/c.step != want.H || (p.W+c.step-1)/c.step != want.W {
			t.Errorf("%s: %v, scale %v; want %v", c.name, p.Shape, p.Scale, want.Shape)
			continue
		}
		worst, sum := 0.0, 0.0
		for k := range p.C {
			for y := range want.H {
				for x := range want.W {
					d := math.Abs(float64(p.At(k, y*c.step, x*c.step))*p.Scale - float64(want.At(k, y, x))*want.Scale)
					worst, sum = max(worst, d), sum+d
				}
			}
		}
		if mean := sum / float64(want.Len()); worst > c.most || mean > 0.85 {
			t.Errorf("%s: %.2f levels from libavif's, %.2f on average", c.name, worst, mean)
		}
		if fmt.Sprint(p.Alpha) != fmt.Sprint(want.Alpha) {
			t.Errorf("%s: opacity %v, want %v", c.name, p.Alpha, want.Alpha)
		}
	}
	// What is lossless comes back to the bit.
	compare(t, "exact", readOther(t, "exact.avif"), 3, typedBase("u1"))
	compare(t, "gray10", readOther(t, "gray10.avif"), 1, func(c, y, x int) float64 { return math.Floor(257 * base(c, y, x, 0) / 64) })
}

// TestAVIFTurned: a file is read upright whatever it says of its orientation, and so do its
// EXIF and XMP; profile and resolution come along.
func TestAVIFTurned(t *testing.T) {
	flat := readOther(t, "turned1.avif")
	profile, err := os.ReadFile("testdata/other/avif.icc")
	if err != nil {
		t.Fatal(err)
	}
	for k := 1; k <= 8; k++ {
		p, want := readOther(t, fmt.Sprintf("turned%d.avif", k)), *flat
		want.turn(k)
		if p.Shape != want.Shape {
			t.Errorf("%d: %v", k, p.Shape)
			continue
		}
		for i, v := range want.Pix {
			if math.Abs(float64(p.Pix[i]-v)) > 1e-6 {
				t.Errorf("%d: sample %d is %v, want %v", k, i, p.Pix[i], v)
				break
			}
		}
		dpi := [2]float64{300, 150}
		if k >= 5 {
			dpi = [2]float64{150, 300}
		}
		if orientationOf(p.Meta.EXIF) != 1 || p.Meta.DPI != dpi || !bytes.Contains(p.Meta.EXIF, []byte("A maker")) {
			t.Errorf("%d: orientation %d, %v dpi, EXIF %q", k, orientationOf(p.Meta.EXIF), p.Meta.DPI, p.Meta.EXIF)
		}
		if !bytes.Equal(p.ICC, profile) || !bytes.Contains(p.Meta.XMP, []byte(`tiff:Orientation="1"`)) {
			t.Errorf("%d: profile of %d bytes, XMP %q", k, len(p.ICC), p.Meta.XMP)
		}
		if q := rewritten(t, p, Options{Format: "png"}); !bytes.Equal(q.ICC, profile) || q.Bits != 8 {
			t.Errorf("%d: as PNG, profile of %d bytes, %d bits", k, len(q.ICC), q.Bits)
		}
	}
}

func TestAVIFUnsupported(t *testing.T) {
	for name, want := range map[string]string{
		"not-pq":   "an AVIF picture of high dynamic range (PQ or HLG) is not supported",
		"not-wide": "an AVIF picture of wide gamut without a profile is not supported",
		"frames":   "an animated AVIF picture is not supported: take its frames out as PNG first",
	} {
		path := "testdata/other/" + name + ".avif"
		if _, err := Read(path); err == nil || !strings.HasPrefix(err.Error(), path+": "+want) {
			t.Errorf("%s: %v; want %q", name, err, want)
		}
	}
	// A property that must be understood, and is not.
	whole, err := os.ReadFile("testdata/other/turned6.avif")
	if err != nil {
		t.Fatal(err)
	}
	clipped := bytes.Replace(whole, []byte("irot"), []byte("clap"), 1)
	if _, err := Decode(bytes.NewReader(clipped), "f"); err == nil || !strings.HasPrefix(err.Error(), `f: an AVIF picture with the property "clap" is not supported`) {
		t.Error(err)
	}
}

// TestAVIFDamaged: a file that was cut, and one whose stream is another, is damaged; a size
// that is a lie costs nothing.
func TestAVIFDamaged(t *testing.T) {
	for _, name := range []string{"yuv420", "opaque", "exact"} {
		whole, err := os.ReadFile("testdata/other/" + name + ".avif")
		if err != nil {
			t.Fatal(err)
		}
		for n := 40; n < len(whole); n += 1 + n%11 {
			if _, err := Decode(bytes.NewReader(whole[:n]), "f"); err == nil || !strings.Contains(err.Error(), "damaged AVIF: ") {
				t.Errorf("%s: %d of %d bytes: %v", name, n, len(whole), err)
			}
		}
		stream := bytes.Index(whole, []byte("mdat")) + 4
		clear(whole[stream:])
		if _, err := Decode(bytes.NewReader(whole), "f"); err == nil || !strings.Contains(err.Error(), "damaged AVIF: its AV1 stream cannot be decoded") {
			t.Errorf("%s without its stream: %v", name, err)
		}
	}
	whole, err := os.ReadFile("testdata/other/yuv420.avif")
	if err != nil {
		t.Fatal(err)
	}
	size := bytes.Index(whole, []byte("ispe")) + 8
	for _, c := range []struct {
		w, h uint32
		want string
	}{
		{24, 17, "its AV1 stream cannot be decoded"}, {10000, 13000, "its AV1 stream cannot be decoded"},
		{1 << 14, 1 << 14, "of more than 134 million pixels is not supported"}, {1 << 31, 1 << 31, "more than the limit of 2^31 samples"}, {0, 5, "a size of 0x5"},
	} {
		b := bytes.Clone(whole)
		binary.BigEndian.PutUint32(b[size:], c.w)
		binary.BigEndian.PutUint32(b[size+4:], c.h)
		if _, err := Decode(bytes.NewReader(b), "f"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%dx%d: %v; want %q", c.w, c.h, err, c.want)
		}
	}
}

// TestChroma compares the interpolation with its definition: the weight of a sample falls
// linearly to zero over the distance to the next one, and at the edges the last one counts.
func TestChroma(t *testing.T) {
	m := &av1.Picture{W: 5, H: 3, Bits: 8, Layout: av1.Half}
	m.Planes[1] = []uint16{10, 50, 20, 90, 0, 70} // 3x2
	row := make([]float32, m.W)
	for y := range m.H {
		chromaRow(row, m, 1, y)
		for x, got := range row {
			want := 0.0
			for j := -1; j <= 2; j++ {
				for i := -1; i <= 3; i++ {
					wx := max(0, 1-math.Abs(float64(x)-(2*float64(i)+0.5))/2)
					wy := max(0, 1-math.Abs(float64(y)-(2*float64(j)+0.5))/2)
					want += wx * wy * float64(m.Planes[1][min(max(j, 0), 1)*3+min(max(i, 0), 2)])
				}
			}
			if math.Abs(float64(got)-want) > 1e-4 {
				t.Errorf("(%d,%d) is %v, want %v", y, x, got, want)
			}
		}
	}
}

// TestOrientations: turns and mirrors, one after the other, are what EXIF's numbers say.
func TestOrientations(t *testing.T) {
	start := operators.NewImage(operators.Shape{C: 1, H: 2, W: 3})
	for i := range start.Pix {
		start.Pix[i] = float32(i)
	}
	quarter := func(m operators.Image) operators.Image { // against the clock
		out := operators.NewImage(operators.Shape{C: 1, H: m.W, W: m.H})
		for y := range m.H {
			for x := range m.W {
				out.Pix[(m.W-1-x)*m.H+y] = m.Pix[y*m.W+x]
			}
		}
		return out
	}
	mirror := func(m operators.Image, axis byte) operators.Image {
		out := m.Clone()
		for y := range m.H {
			for x := range m.W {
				if axis == 0 {
					out.Pix[(m.H-1-y)*m.W+x] = m.Pix[y*m.W+x]
				} else {
					out.Pix[y*m.W+m.W-1-x] = m.Pix[y*m.W+x]
				}
			}
		}
		return out
	}
	for angle := range byte(4) {
		for axis := range byte(3) {
			for _, first := range []bool{false, true} {
				want := start.Clone()
				it := &heifItem{properties: []heifProperty{{kind: "irot", body: []byte{angle}}}}
				if axis < 2 {
					it.properties = append(it.properties, heifProperty{kind: "imir", body: []byte{axis}})
				}
				if first {
					slices.Reverse(it.properties)
				}
				for _, p := range it.properties {
					if p.kind == "imir" {
						want = mirror(want, axis)
						continue
					}
					for range angle {
						want = quarter(want)
					}
				}
				p := &Picture{Image: start.Clone()}
				p.turn(it.orientation())
				if fmt.Sprint(p.Shape, p.Pix) != fmt.Sprint(want.Shape, want.Pix) {
					t.Errorf("angle %d, mirror %d, mirrored first %v: %v %v, want %v %v", angle, axis, first, p.Shape, p.Pix, want.Shape, want.Pix)
				}
			}
		}
	}
}

func FuzzHEIF(f *testing.F) {
	seeds(f, ".avif")
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := openAVIF(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			check(t, nil, &Error{"f", err})
			return
		}
		if s.(*avifFile).sampleCount(0) > 1<<18 {
			t.Skip()
		}
		p, err := s.Page(0)
		check(t, p, err)
	})
}
