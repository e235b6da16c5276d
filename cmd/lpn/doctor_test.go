package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/lpn"
)

var update = flag.Bool("update", false, "write the stored numbers of lpn doctor and docs/cli.md anew")

// TestSelfTestFiles makes the networks of lpn doctor with -update, and checks
// that each set of instructions gives the stored numbers with room to spare.
func TestSelfTestFiles(t *testing.T) {
	if *update {
		writeSelfTests(t)
	}
	for _, r := range selfTests() {
		t.Logf("%s, %s: %.2e", r.Name, r.Kernels, float64(r.Error))
		if !r.OK || r.Error > r.Tolerance/5 {
			t.Errorf("%+v", r)
		}
	}
}

func writeSelfTests(t *testing.T) {
	pyramid := lpn.Pyramid(1, 0.1)
	for i := range pyramid.Pyramid.Levels {
		l := &pyramid.Pyramid.Levels[i]
		l.Maps, l.Features = 16, 32
	}
	for name, cfg := range map[string]lpn.Config{"pyramid": pyramid, "softplus": lpn.SoftplusAny(1, 8, 3, 0.1)} {
		net, err := lpn.New(cfg, rand.New(rand.NewPCG(7, 7)))
		if err != nil {
			t.Fatal(err)
		}
		net = net.Half()
		if err := net.Save(filepath.Join("selftest", name+priorExt), true); err != nil {
			t.Fatal(err)
		}
		restore := kernel.SetLevel(kernel.Generic)
		y := selfTestPicture()
		b, err := net.On(y.Shape, lpn.Direct())
		if err != nil {
			t.Fatal(err)
		}
		f := make([]float32, len(y.Pix)+1)
		f[len(y.Pix)] = float32(b.Eval(f[:len(y.Pix)], y.Pix))
		restore()
		if err := imageio.WriteArray(filepath.Join("selftest", name+".npy"), &imageio.Array{Shape: []int{len(f)}, Data: f}); err != nil {
			t.Fatal(err)
		}
	}
	t.Log("run again without -update: the files are embedded")
}

func TestDoctor(t *testing.T) {
	d := asJSON[diagnosis](t, must(t, "doctor", "--json"))
	if !d.OK || d.Go == "" || d.CPU.Cores < 1 || d.Kernels != kernel.CPU().String() || d.Seconds > 20 {
		t.Errorf("%+v", d)
	}
	last := d.Tests[len(d.Tests)-1]
	if d.Tests[0].Kernels != d.Kernels || last.Kernels != "generic" {
		t.Errorf("tested with %s to %s", d.Tests[0].Kernels, last.Kernels)
	}
	out := must(t, "doctor")
	for _, w := range []string{"processor", "kernels", "memory", "priors", "self-test", ": ok (error"} {
		if !strings.Contains(out, w) {
			t.Errorf("%q is missing in\n%s", w, out)
		}
	}
	// A machine that computes wrong numbers is told so.
	for _, err := range []error{nil, fmt.Errorf("no such luck")} {
		got := judge("wrong", kernel.Generic, func() ([]float32, []float32, error) { return []float32{1, 2}, []float32{1, 3}, err })
		if got.OK {
			t.Errorf("%+v", got)
		}
	}
	if got := judge("panics", kernel.Generic, func() ([]float32, []float32, error) { panic("bad") }); got.OK || got.Problem != "bad" {
		t.Errorf("%+v", got)
	}
}

// eachLevel runs f with every set of instructions below the one in use.
func eachLevel(t *testing.T, f func(level string)) {
	t.Helper()
	levels := kernel.Levels()
	for _, level := range slices.Backward(levels[:len(levels)-1]) {
		restore := kernel.SetLevel(level)
		f(level.String())
		restore()
	}
}
