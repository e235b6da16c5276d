package unitrange

import "testing"

func TestRobust(t *testing.T) {
	v := make([]float32, 2000)
	for i := range v {
		v[i] = float32(1999 - i)
	}
	v[0], v[1] = 1e9, 1e9 // two of 2000 are a thousandth
	if lo, hi := Robust(v); lo != 2 || hi != 1997 {
		t.Errorf("from %v to %v, want 2 to 1997", lo, hi)
	}
	if lo, hi := Robust([]float32{3}); lo != 3 || hi != 3 {
		t.Errorf("one number: from %v to %v", lo, hi)
	}
}

func TestLike(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		like   bool
	}{{0, 1, true}, {-0.4, 1.4, true}, {0, 0.3, true}, {0, 0.1, false}, {0, 255, false}, {-1000, 0.9, false}} {
		if Like(c.lo, c.hi) != c.like {
			t.Errorf("%v to %v: %v", c.lo, c.hi, !c.like)
		}
	}
}
