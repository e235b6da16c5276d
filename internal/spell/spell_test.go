package spell

import (
	"fmt"
	"strings"
	"testing"
)

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"bpg", "bgp", 1}, {"restor", "restore", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3}} {
		if got := Distance(c.a, c.b); got != c.want {
			t.Errorf("%q to %q: %d, want %d", c.a, c.b, got, c.want)
		}
		if got := Distance(c.b, c.a); got != c.want {
			t.Errorf("%q to %q: %d, want %d", c.b, c.a, got, c.want)
		}
	}
	if d := Distance(strings.Repeat("x", 1000), "x"); d != 1000 {
		t.Error(d)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"denoise", "blur", "cs", "sr", "restore", "compare", "completion", "h"}
	for got, want := range map[string]string{
		"":          "",
		"blur":      "blur",
		"blurr":     "blur",
		"dneoise":   "denoise",
		"rstroe":    "restore",
		"sc":        "cs",
		"xs":        "cs",
		"xx":        "",
		"x":         "",
		"comp":      "compare",
		"completio": "completion",
		"deblur":    "blur",
		"inpaint":   "",
	} {
		if n := Nearest(got, names); n != want {
			t.Errorf("%q is taken for %q, want %q", got, n, want)
		}
	}
}

func ExampleHint() {
	fmt.Printf("unknown operator %q%s\n", "blurr", Hint("blurr", []string{"denoise", "blur"}))
	fmt.Printf("unknown operator %q%s\n", "magic", Hint("magic", []string{"denoise", "blur"}))
	// Output:
	// unknown operator "blurr" (did you mean "blur"?)
	// unknown operator "magic"
}
