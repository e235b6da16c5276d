package train

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func ExampleParsePlan() {
	p, err := ParsePlan("l2:20k@6e-3,warmup=0.05,cosine; pm:5k@1e-4,gamma=0.08")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, step := range []int{0, 999, 10500, 19999, 20000} {
		s, _, _ := p.At(step)
		fmt.Printf("%5d %s %.2g\n", step, s.Loss, p.RateAt(step))
	}
	// Output:
	//     0 l2 6e-06
	//   999 l2 0.006
	// 10500 l2 0.003
	// 19999 l2 4.1e-11
	// 20000 pm 0.0001
}

func TestPlanForms(t *testing.T) {
	want := Plan{
		{Loss: L2, Steps: 20000, Rate: 6e-3, Warmup: 0.05, Cosine: true, Sigma: 25.0 / 255},
		{Loss: PM, Steps: 5, Rate: 1e-4, Gamma: 0.08},
	}
	path := filepath.Join(t.TempDir(), "plan.json")
	b, _ := json.Marshal(want)
	os.WriteFile(path, b, 0o666)
	for _, arg := range []string{"l2:20k@6e-3,warmup=.05,cosine,sigma=25/255;pm:5@1e-4,gamma=0.08", want.String(), path} {
		got, err := LoadPlan(arg)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v", arg, got, err)
		}
	}
	if want.Steps() != 20005 {
		t.Errorf("%d steps", want.Steps())
	}
	s, i, local := want.At(20003)
	if s.Loss != PM || i != 1 || local != 3 {
		t.Errorf("step 20003 is %d of stage %d, %v", local, i, s)
	}
}

func TestPaperPlan(t *testing.T) {
	p := Paper(40000)
	want := "l1:20000@0.001;pm:5000@0.0001,gamma=0.64;pm:5000@0.0001,gamma=0.32;pm:5000@0.0001,gamma=0.16;pm:5000@0.0001,gamma=0.08"
	if p.String() != want {
		t.Errorf("got %s", p)
	}
	for total := 8; total < 50; total++ {
		if p := Paper(total); p.Steps() != total || p.Validate() != nil {
			t.Errorf("Paper(%d) has %d steps, error %v", total, p.Steps(), p.Validate())
		}
	}
}

// The rate rises, stays at or below Rate, and falls to zero.
func TestRate(t *testing.T) {
	p := Plan{{Loss: L1, Steps: 1000, Rate: 2, Warmup: 0.1, Cosine: true}}
	for step := 1; step < 1000; step++ {
		a, b := p.RateAt(step-1), p.RateAt(step)
		if step < 100 && !(b > a) || step > 100 && !(b < a) || b > 2 || b <= 0 {
			t.Fatalf("rate goes from %g to %g at step %d", a, b, step)
		}
	}
	if p.RateAt(99) != 2 || p.RateAt(100) != 2 || math.Abs(p.RateAt(550)-1) > 1e-12 || p.RateAt(1000) > 1e-12 || p.RateAt(5000) > 1e-12 {
		t.Error("landmarks of the rate are wrong")
	}
}

func TestPlanRefuses(t *testing.T) {
	for spec, want := range map[string]string{
		"":                           "loss:steps@rate",
		"l2":                         "loss:steps@rate",
		"l3:5@1":                     `loss is "l3"`,
		"l2:x@1":                     `"x" is not a number of steps`,
		"l2:0@1":                     "steps is 0",
		"l2:9999999k@1":              "steps is 9999999000",
		"l2:5@-1":                    "rate is -1",
		"l2:5@nan":                   `"nan" is not a number`,
		"l2:5@1/0":                   `"1/0" is not a number`,
		"pm:5@1":                     "gamma is 0",
		"l1:5@1,gamma=2":             "the loss l1 has none",
		"l1:5@1,warmup=1":            "warmup is 1",
		"l1:5@1,cosine=1":            "no value",
		"l1:5@1,cosin":               `option "cosin"`,
		"l1:5@1,sigma=-1":            "sigma is -1",
		"l1:5@1;":                    "stage 2",
		strings.Repeat("l1:5@1;", 3): "stage 4",
	} {
		if _, err := ParsePlan(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", spec, err, want)
		}
	}
	for text, want := range map[string]string{
		`[]`:                              "0 stages",
		`{"loss":"l1"}`:                   "not a plan",
		`[{"loss":"l1","setps":3}]`:       "setps",
		`[{"loss":"l1"}]`:                 "steps is 0",
		`[{"loss":"l1"}] x`:               "goes on",
		strings.Repeat(" ", 1<<20) + `[]`: "more than",
	} {
		if _, err := decodePlan(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: error %v, want %q", text, err, want)
		}
	}
}

// What parses is valid, has finite rates, and is written so that it parses to
// the same again.
func FuzzPlan(f *testing.F) {
	f.Add("l2:20k@6e-3,warmup=0.05,cosine;pm:5k@1e-4,gamma=0.08,sigma=25/255")
	f.Add("[{\"loss\":\"pm\",\"steps\":5,\"rate\":1e-4,\"gamma\":8}]")
	f.Fuzz(func(t *testing.T, spec string) {
		p, err := ParsePlan(spec)
		if err != nil {
			p, err = decodePlan(strings.NewReader(spec))
		}
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
			return
		}
		for _, step := range []int{0, p.Steps() / 2, p.Steps() - 1, p.Steps()} {
			if r := p.RateAt(step); !(r >= 0 && r <= 10) {
				t.Errorf("rate %g at step %d", r, step)
			}
		}
		q, err := ParsePlan(p.String())
		if err != nil || !slices.Equal(p, q) {
			t.Errorf("%q became %q, %v", p, q, err)
		}
	})
}
