package arena

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func ExamplePlace() {
	a := Span{Len: 100, First: 0, Last: 2}
	b := Span{Len: 50, First: 2, Last: 5}
	c := Span{Len: 90, First: 3, Last: 5}
	n := Place([]*Span{&a, &b, &c})
	fmt.Println(n, a.Off, b.Off, c.Off)
	// Output: 176 0 112 0
}

// No two spans may share an element at any step, and the whole cannot be less
// than what is in use at once.
func TestPlace(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		const steps = 40
		var spans []*Span
		for range 1 + rng.IntN(60) {
			first := rng.IntN(steps)
			spans = append(spans, &Span{Len: 1 + rng.IntN(300), First: first, Last: first + rng.IntN(steps-first)})
		}
		n := Place(spans)
		for step := range steps {
			owner := make([]*Span, n)
			for _, s := range spans {
				if step < s.First || step > s.Last {
					continue
				}
				if s.Off%line != 0 {
					t.Fatalf("span at %d", s.Off)
				}
				for i := s.Off; i < s.Off+s.Len; i++ {
					if owner[i] != nil {
						t.Fatalf("step %d: element %d is of %+v and of %+v", step, i, *owner[i], *s)
					}
					owner[i] = s
				}
			}
		}
	}
	if a, b := (&Span{Len: 16, Last: 1}), (&Span{Len: 16, First: 2, Last: 3}); Place([]*Span{a, b}) != 16 {
		t.Error("spans that never meet do not share their place")
	}
	if Place(nil) != 0 {
		t.Error("no spans need memory")
	}
}
