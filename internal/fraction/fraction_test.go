package fraction

import (
	"math"
	"testing"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]float64{
		"0.1": 0.1, "25/255": 25.0 / 255, " 1 / 4 ": 0.25, "-3/2": -1.5, "1e-3": 1e-3, "0/5": 0,
	} {
		if v, ok := Parse(text); !ok || v != want {
			t.Errorf("Parse(%q) = %v, %v; want %v", text, v, ok, want)
		}
	}
	for _, text := range []string{"", "/", "1/", "/2", "1/0", "0/0", "1/2/3", "inf", "NaN", "1/2/", "a", "25 255"} {
		if v, ok := Parse(text); ok {
			t.Errorf("Parse(%q) = %v, want false", text, v)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("25/255")
	f.Add("0.1")
	f.Fuzz(func(t *testing.T, text string) {
		if v, ok := Parse(text); ok && (math.IsNaN(v) || math.IsInf(v, 0)) {
			t.Errorf("Parse(%q) = %v", text, v)
		}
	})
}
