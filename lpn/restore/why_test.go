package restore

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// TestReasons: every operator's plan has a reason for each choice that was made, in
// text and in JSON, and the reason is the one that holds.
func TestReasons(t *testing.T) {
	for name, row := range policies {
		if startReasons[row.start] == "" {
			t.Errorf("%s: no reason to start with %s", name, row.start)
		}
	}
	scene := operators.NewImage(operators.Shape{C: 1, H: 64, W: 64})
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range scene.Pix {
		scene.Pix[i] = 0.3 + 0.3*float32(i%64/32)
	}
	for spec, want := range map[string]map[string]string{
		"denoise":                 {"Prior": "of the noise", "Scale": "to that level", "Weight": "statistical weight"},
		"blur:gaussian,sigma=1.6": {"Prior": "amplifies the noise", "Scale": "to that level", "Weight": "not white", "Start": "undoes the operator"},
		"sr:factor=2":             {"Prior": "amplifies the noise", "Weight": "not white"},
		"inpaint:ratio=0.5":       {"Weight": "no other factor"},
		"cs:ratio=0.25":           {"Weight": "0.005 at least", "Start": "aliases"},
		"tomo:angles=8":           {"Weight": "not white"},
		"mri:accel=4":             {"Weight": "no other factor"},
	} {
		s, err := operators.ParseSpec(spec)
		if err != nil {
			t.Fatal(err)
		}
		e, err := Simulate(scene, s, noise.White{Sigma: 0.002}, rng)
		if err != nil {
			t.Fatal(err)
		}
		e.Problem.Noise = noise.White{Sigma: 0.002}
		e.Problem.Range = Unit
		p, err := New(e.Problem, Options{Choose: priors.For})
		if err != nil {
			t.Fatal(err)
		}
		v := reflect.ValueOf(p.Why)
		for _, choice := range []string{"Range", "Noise", "Prior", "Scale", "Weight", "Start", "Solver", "Memory"} {
			why := v.FieldByName(choice).String()
			if why == "" || !strings.Contains(why, want[choice]) {
				t.Errorf("%s: %s: %q; want %q in it", spec, choice, why, want[choice])
			}
		}
		text := p.String()
		for _, why := range []string{p.Why.Prior, p.Why.Scale, p.Why.Weight, p.Why.Start, p.Why.Solver} {
			if !strings.Contains(text, why+"\n") {
				t.Errorf("%s: the printed plan lacks %q", spec, why)
			}
		}
		data, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var back struct{ Why Reasons }
		if err := json.Unmarshal(data, &back); err != nil || back.Why != p.Why {
			t.Errorf("%s: JSON has %+v (%v), want %+v", spec, back.Why, err, p.Why)
		}
	}
}

// TestReasonsOfOptions: what was asked for is said to be asked for.
func TestReasonsOfOptions(t *testing.T) {
	y := operators.NewImage(operators.Shape{C: 1, H: 32, W: 32})
	for i := range y.Pix {
		y.Pix[i] = float32(i%7) / 7
	}
	s, err := operators.ParseSpec("blur:gaussian,sigma=1")
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(Problem{Y: y, Operator: s, Noise: noise.White{Sigma: 0.01}, Range: Unit},
		Options{Prior: priors.Gray25(), Scale: 1.5, Strength: 2, Solver: "pgd"})
	if err != nil {
		t.Fatal(err)
	}
	for choice, why := range map[string]string{"prior": p.Why.Prior, "scale": p.Why.Scale, "solver": p.Why.Solver, "strength": p.Why.Weight} {
		if !strings.Contains(why, "asked for") {
			t.Errorf("%s: %q", choice, why)
		}
	}
}
