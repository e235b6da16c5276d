package kernel

import (
	"slices"
	"testing"
)

// A level is set if the machine has it, or else the next lower one that it has.
func TestSetLevel(t *testing.T) {
	best, all := CPU(), Levels()
	if all[0] != Generic || all[len(all)-1] != best || !slices.IsSorted(all) {
		t.Fatalf("levels %v, in use %v", all, best)
	}
	want := Generic
	for l := Generic; l <= best; l++ {
		if slices.Contains(all, l) {
			want = l
		}
		restore := SetLevel(l)
		if CPU() != want || !slices.Equal(Levels(), all[:slices.Index(all, want)+1]) {
			t.Errorf("SetLevel(%v) sets %v, with %v", l, CPU(), Levels())
		}
		restore()
		if CPU() != best {
			t.Fatalf("SetLevel(%v) leaves %v, not %v", l, CPU(), best)
		}
	}
}
