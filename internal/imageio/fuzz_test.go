package imageio

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/npy"
)

// seeds adds the files of testdata with one of the extensions.
func seeds(f *testing.F, exts ...string) {
	for _, dir := range []string{"testdata", "testdata/other"} {
		files, _ := os.ReadDir(dir)
		for _, e := range files {
			if !slices.Contains(exts, filepath.Ext(e.Name())) {
				continue
			}
			b, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
}

// check: a picture is whole, or there is one line.
func check(t *testing.T, p *Picture, err error) {
	if err != nil {
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("error of more than one line: %q", err)
		}
		return
	}
	if p.H <= 0 || p.W <= 0 || p.C != 1 && p.C != 3 || len(p.Pix) != p.Len() || p.Alpha != nil && len(p.Alpha) != p.H*p.W {
		t.Errorf("%v with %d samples, %d alpha", p.Shape, len(p.Pix), len(p.Alpha))
	}
	for i, v := range p.Pix {
		if v-v != 0 {
			t.Fatalf("sample %d is %v", i, v)
		}
	}
}

func FuzzNpy(f *testing.F) {
	seeds(f, ".npy")
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Decode(bytes.NewReader(append([]byte(npy.Magic), bytes.TrimPrefix(b, []byte(npy.Magic))...)), "f.npy")
		check(t, p, err)
		DecodeArray(bytes.NewReader(b))
	})
}

// decodeAll reads the first pages, and writes the first again.
func decodeAll(t *testing.T, b []byte) {
	file, err := NewFile(bytes.NewReader(b), "f")
	if err != nil {
		check(t, nil, err)
		return
	}
	for i := range min(file.Pages(), 3) {
		p, err := file.Page(i)
		check(t, p, err)
		if err != nil || i > 0 {
			continue
		}
		for _, format := range []string{"png", "tiff", "jpeg", "npy", "exr"} {
			var out bytes.Buffer
			if err := Encode(&out, p, Options{Format: format}); err != nil && p.W <= 65535 && p.H <= 65535 {
				t.Errorf("%s: %v", format, err)
				continue
			}
			if q, err := Decode(&out, format); err != nil {
				t.Errorf("%s that was written: %v", format, err)
			} else if q.H != p.H || q.W != p.W {
				t.Errorf("%s: %v became %v", format, p.Shape, q.Shape)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	seeds(f, ".png", ".jpg", ".bmp", ".gif", ".webp")
	f.Fuzz(func(t *testing.T, b []byte) {
		// Pictures that are honestly large only slow the search down.
		for _, c := range []*codec{codecPNG, codecJPEG, codecBMP, codecWebP, codecGIF} {
			if cfg, err := c.config(bytes.NewReader(b)); err == nil && cfg.Width*cfg.Height > 1<<20 {
				t.Skip()
			}
		}
		if a, err := framesWebP(b); err == nil && a != nil && a.w*a.h > 1<<20 {
			t.Skip()
		}
		decodeAll(t, b)
	})
}

func FuzzTIFF(f *testing.F) {
	seeds(f, ".tif")
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := openTIFF(bytes.NewReader(b), int64(len(b))); err == nil {
			tf := s.(*tiffFile)
			for _, at := range tf.pages[:min(3, len(tf.pages))] {
				if d, err := tf.directory(at); err == nil && tf.number(d, tagWidth, 0)*tf.number(d, tagHeight, 0)*max(tf.number(d, tagChannels, 1), 1) > 1<<20 {
					t.Skip()
				}
			}
		}
		decodeAll(t, b)
	})
}

func FuzzDICOM(f *testing.F) {
	seeds(f, ".dcm")
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 132 {
			t.Skip()
		}
		b = slices.Concat(b[:128], []byte("DICM"), b[132:])
		if s, err := openDICOM(bytes.NewReader(b), int64(len(b))); err == nil && s.(*dicomFile).w*s.(*dicomFile).h > 1<<20 {
			t.Skip()
		}
		decodeAll(t, b)
	})
}

func FuzzFITS(f *testing.F) {
	seeds(f, ".fits")
	f.Fuzz(func(t *testing.T, b []byte) {
		decodeAll(t, append([]byte("SIMPLE  ="), b[min(9, len(b)):]...))
	})
}

func FuzzPNM(f *testing.F) {
	f.Add([]byte("P2 # a remark\n3 2\n9\n0 3 9\n 1 2 30"))
	f.Add([]byte("P6\n2 1\n255\n\xff\x00\x33\x00\xff\x33"))
	f.Add([]byte("Pf\n1 2\n-1.0\n\x00\x00\x80\x3f\x00\x00\x00\xc0"))
	f.Fuzz(func(t *testing.T, b []byte) { decodeAll(t, b) })
}

func FuzzEXR(f *testing.F) {
	seeds(f, ".exr")
	f.Fuzz(func(t *testing.T, b []byte) {
		b = append([]byte(exrMagic), b[min(4, len(b)):]...)
		if s, err := openEXR(bytes.NewReader(b), int64(len(b))); err == nil && s.(*exrFile).sampleCount(0) > 1<<20 {
			t.Skip()
		}
		decodeAll(t, b)
	})
}

// FuzzPIZ fuzzes the decoder itself: in a file few changes get past its checks.
func FuzzPIZ(f *testing.F) {
	for _, name := range []string{"half-piz", "coarse-piz", "mixed"} {
		whole, err := os.ReadFile("testdata/other/" + name + ".exr")
		if err != nil {
			f.Fatal(err)
		}
		s, err := openEXR(bytes.NewReader(whole), int64(len(whole)))
		if err != nil {
			f.Fatal(err)
		}
		at := binary.LittleEndian.Uint64(whole[s.(*exrFile).offsets:])
		f.Add(whole[at+8:], uint8(23), uint8(17), uint8(len(s.(*exrFile).channels)))
	}
	f.Fuzz(func(t *testing.T, b []byte, w, h, n uint8) {
		channels := []exrChannel{{"B", exrHalf}, {"G", exrFloat}, {"R", exrHalf}}[:1+n%3]
		pixel := 0
		for _, c := range channels {
			pixel += exrBytes[c.kind]
		}
		var z piz
		for range 2 { // the second time with what the first left behind
			z.decode(make([]byte, pixel*(int(w)+1)*(int(h)+1)), b, channels, int(w)+1, int(h)+1)
		}
	})
}

func FuzzLosslessJPEG(f *testing.F) {
	seeds(f, ".jpg")
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := decodeLossless(b, otherW, otherH, 1); err == nil && len(v) != otherW*otherH {
			t.Errorf("%d samples", len(v))
		}
	})
}
