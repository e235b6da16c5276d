package imageio

import (
	"bytes"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/npy"
)

func crcOf(b []byte) uint32 { return crc32.ChecksumIEEE(b) }

// seeds adds the files of testdata with one of the extensions.
func seeds(f *testing.F, exts ...string) {
	files, _ := os.ReadDir("testdata")
	for _, e := range files {
		for _, x := range exts {
			if filepath.Ext(e.Name()) == x {
				b, err := os.ReadFile(filepath.Join("testdata", e.Name()))
				if err != nil {
					f.Fatal(err)
				}
				f.Add(b)
			}
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

func FuzzDecode(f *testing.F) {
	seeds(f, ".png", ".jpg", ".tif", ".bmp", ".gif", ".webp", ".npy")
	f.Fuzz(func(t *testing.T, b []byte) {
		// Pictures that are honestly large only slow the search down.
		if c := sniff(b); c != nil {
			cfg, err := c.config(bytes.NewReader(b))
			if err == nil && cfg.Width*cfg.Height > 1<<20 {
				t.Skip()
			}
		}
		p, err := Decode(bytes.NewReader(b), "f")
		check(t, p, err)
		if err == nil {
			for _, format := range []string{"png", "tiff", "jpeg", "npy"} {
				var out bytes.Buffer
				if err := Encode(&out, p, Options{Format: format}); err != nil && p.W <= 65535 && p.H <= 65535 {
					t.Errorf("%s: %v", format, err)
				}
			}
		}
	})
}
