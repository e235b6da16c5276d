package imageio

import (
	"fmt"
	"strings"
	"testing"
)

func TestDecodeTable(t *testing.T) {
	m, err := decodeTable(strings.NewReader("# a kernel\n1, 2,3\n\n4\t5 6 # end\n"))
	if err != nil || fmt.Sprint(m.Pix, m.H, m.W) != "[1 2 3 4 5 6] 2 3" {
		t.Errorf("%v, %v", m, err)
	}
	for _, s := range []string{"", "hello", "1 2\x00"} {
		if _, err := decodeTable(strings.NewReader(s)); err != ErrNoTable {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{"1 2\n3", "1 2\n3 x", "1 nan"} {
		if _, err := decodeTable(strings.NewReader(s)); err == nil {
			t.Errorf("%q was taken", s)
		}
	}
}

func FuzzTable(f *testing.F) {
	f.Add("1 2\n3 4")
	f.Add("# x\n1,2;3\n")
	f.Add("1e39")
	f.Fuzz(func(t *testing.T, s string) {
		m, err := decodeTable(strings.NewReader(s))
		if err == nil && (len(m.Pix) != m.Len() || m.Len() == 0) {
			t.Errorf("%v with %d numbers", m.Shape, len(m.Pix))
		}
		for _, v := range m.Pix {
			if v-v != 0 && err == nil {
				t.Errorf("took %v", v)
			}
		}
	})
}
