package av1_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"sync"
	"testing"

	"github.com/lpn-imaging/lpn/internal/av1"
)

// The stream of testdata was encoded without loss by libavif: the one of
// internal/imageio/testdata/other/gray10.avif, of make.py there.
func stream(tb testing.TB) []byte {
	tb.Helper()
	b, err := os.ReadFile("testdata/gray10.obu")
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

const w, h = 23, 17

func level(y, x int) uint16 { return uint16(257 * ((37*y + 11*x + y*x) % 251) / 64) }

func ExampleDecode() {
	obus, err := os.ReadFile("testdata/gray10.obu")
	if err != nil {
		log.Fatal(err)
	}
	p, err := av1.Decode(obus, 23, 17, 0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.W, p.H, p.Bits, p.Layout == av1.Gray, p.Planes[0][:4])
	// Output: 23 17 10 true [0 44 88 132]
}

// TestDecode decodes in several goroutines at the same time.
func TestDecode(t *testing.T) {
	obus := stream(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			p, err := av1.Decode(obus, w, h, 0)
			if err != nil {
				t.Error(err)
				return
			}
			for i, v := range p.Planes[0] {
				if v != level(i/w, i%w) {
					t.Errorf("sample %d is %d, want %d", i, v, level(i/w, i%w))
					return
				}
			}
		})
	}
	all.Wait()
}

// TestDamaged: what is no picture, or one of another size, is said to be damaged.
func TestDamaged(t *testing.T) {
	obus := stream(t)
	for name, b := range map[string][]byte{"nothing": nil, "no stream": make([]byte, 100), "half": obus[:len(obus)/2], "headers": obus[:12]} {
		if _, err := av1.Decode(b, w, h, 0); !errors.Is(err, av1.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, s := range [][2]int{{w - 1, h}, {w, h + 1}, {1, 1}, {h, w}, {8192, 8192}} {
		if _, err := av1.Decode(obus, s[0], s[1], 0); !errors.Is(err, av1.ErrDamaged) {
			t.Errorf("%v: %v", s, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(stream(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := av1.Decode(b, w, h, 0)
		switch {
		case err != nil && !errors.Is(err, av1.ErrDamaged):
			t.Error(err)
		case err == nil && len(p.Planes[0]) != w*h:
			t.Errorf("%d samples", len(p.Planes[0]))
		}
	})
}
