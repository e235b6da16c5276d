package main

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/onnx"
	"github.com/lpn-imaging/lpn/internal/othertest"
	"github.com/lpn-imaging/lpn/lpn/priors"
)

// TestExport: every shipped prior makes a graph that computes what the engine does.
func TestExport(t *testing.T) {
	for _, name := range priors.Names() {
		if testing.Short() && name != "gray-25" && name != "digits" && name != "laplace" {
			continue
		}
		out := filepath.Join(t.TempDir(), name+".onnx")
		r := asJSON[exportReport](t, must(t, "export", name, "--check", "--json", "-o", out))
		b, err := os.ReadFile(out)
		if err != nil || len(b) != r.Bytes || r.Opset != onnx.Opset || len(r.Checks) == 0 {
			t.Errorf("%s: %+v, %d bytes, %v", name, r, len(b), err)
		}
		m, err := onnx.Unmarshal(b)
		if err != nil {
			t.Fatal(err)
		}
		if m.Note("licence") != "BSD-3-Clause" || !strings.Contains(m.Note("lpn.certificate"), `"ok":true`) || m.Note("sigma") == "" {
			t.Errorf("%s: notes %v", name, m.Notes)
		}
	}
}

// TestExportOfAFile: somebody's own prior has no licence that we know.
func TestExportOfAFile(t *testing.T) {
	out := filepath.Join(t.TempDir(), "own.onnx")
	must(t, "export", prior(t), "--check", "-o", out)
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	m, err := onnx.Unmarshal(b)
	if err != nil || m.Note("licence") != "" {
		t.Errorf("licence %q, %v", m.Note("licence"), err)
	}
	for _, args := range [][]string{
		{"export", "gray-25"}, {"export", "gray-25", "-o", out}, {"export", "gray-25", "-o", out + ".txt"},
		{"export", "-o", "x.onnx"}, {"export", "no-such-prior", "-o", filepath.Join(t.TempDir(), "x.onnx")},
	} {
		if code, stdout, stderr := call(t, args...); code != exitUsage || stdout != "" || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit %d, %q, %q", args, code, stdout, stderr)
		}
	}
}

// TestGraphCheckFails: weights that are not the network's are found.
func TestGraphCheckFails(t *testing.T) {
	net, err := openPrior("laplace")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := net.WriteONNX(&b); err != nil {
		t.Fatal(err)
	}
	m, err := onnx.Unmarshal([]byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(m.Graph.Weights, func(w onnx.Tensor) bool { return w.Name == "lin.1.weight" })
	for k := range m.Graph.Weights[i].Floats {
		m.Graph.Weights[i].Floats[k] *= 1.01
	}
	if _, err := checkGraph(t.Context(), net, m.Marshal(), 0); err == nil || !strings.Contains(err.Error(), "differs") {
		t.Errorf("%v", err)
	}
}

// TestONNXRuntime compares lpn apply with onnxruntime.
func TestONNXRuntime(t *testing.T) {
	python := othertest.ONNXRuntime(t)
	dir := t.TempDir()
	var jobs []string
	for _, name := range priors.Names() {
		if testing.Short() && name != "colour-25" && name != "digits" {
			continue
		}
		c := must(t, "info", "--json", name)
		info := asJSON[priorInfo](t, c)
		must(t, "export", name, "-q", "-o", filepath.Join(dir, name+".onnx"))
		sizes := [][2]int{{37, 29}, {2, 5}}
		if info.Height > 0 {
			sizes = [][2]int{{info.Height, info.Width}}
		}
		for i, s := range sizes {
			jobs = append(jobs, fmt.Sprintf("%s %d %d %d %d %g", name, i, info.Channels, s[0], s[1], info.Sigma))
		}
	}
	script := `
import sys, numpy as np, onnxruntime as ort
rng = np.random.default_rng(0)
for line in sys.stdin:
    # Flat squares with the noise of the prior: on noise of any strength gates of priors for
    # little noise, which are sharp, amplify the rounding of either side.
    name, i, c, h, w, sigma = line.split()
    shape = (2, int(c), int(h), int(w))
    squares = np.kron(rng.random((2, int(c), 5, 5)), np.ones((1, 1, 8, 8)))
    y = (squares[:, :, :shape[2], :shape[3]] + float(sigma) * rng.standard_normal(shape)).astype(np.float32)
    o = ort.SessionOptions(); o.intra_op_num_threads = 1
    f, psi = ort.InferenceSession(name + ".onnx", o, providers=["CPUExecutionProvider"]).run(["f", "psi"], {"y": y})
    for key, v in (("y", y), ("f", f), ("psi", psi)):
        np.save(f"{name}-{i}-{key}.npy", v)
`
	cmd := exec.Command(python, "-c", script)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(strings.Join(jobs, "\n"))
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	for _, job := range jobs {
		field := strings.Fields(job)
		at := func(key string) string { return filepath.Join(dir, field[0]+"-"+field[1]+"-"+key+".npy") }
		must(t, "apply", field[0], at("y"), "-q", "-o", at("f-go"), "--psi", at("psi-go"))
		for _, key := range []string{"f", "psi"} {
			theirs, err := imageio.ReadArray(at(key))
			if err != nil {
				t.Fatal(err)
			}
			ours, err := imageio.ReadArray(at(key + "-go"))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(theirs.Shape, ours.Shape) {
				t.Fatalf("%s: %s of %v, ours of %v", job, key, theirs.Shape, ours.Shape)
			}
			worst := 0.0
			for i, v := range ours.Data {
				scale := 1.0
				if key == "psi" {
					scale = max(1e-3, math.Abs(float64(v)))
				}
				worst = max(worst, math.Abs(float64(v-theirs.Data[i]))/scale)
			}
			if !(worst <= graphTolerance) {
				t.Errorf("%s: %s differs by %.3g", job, key, worst)
			}
		}
	}
}
