package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/flags"
	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/operators"
)

// encoded is a picture as a file.
func encoded(f *testing.F, format string, p *imageio.Picture) []byte {
	f.Helper()
	var b bytes.Buffer
	if err := imageio.Encode(&b, p, imageio.Options{Format: format}); err != nil {
		f.Fatal(err)
	}
	return b.Bytes()
}

// FuzzRestore takes a file of any content, an operator and a kernel or mask
// file through the whole of restore: it ends with a finite picture, or with
// one line and no output.
func FuzzRestore(f *testing.F) {
	dir := f.TempDir()
	pr := filepath.Join(dir, "p"+priorExt)
	if err := testNet().Save(pr, false); err != nil {
		f.Fatal(err)
	}
	gray, colour := encoded(f, "png", picture(1, 9, 7, 8)), encoded(f, "tiff", picture(3, 5, 6, 16))
	psf := []byte("1 2 1\n2 4 2\n1 2 1\n")
	npy := encoded(f, "npy", picture(1, 9, 7, 8))
	f.Add(gray, "denoise", "symmetric", []byte{})
	f.Add(colour, "blur:kernel=FILE", "valid", psf)
	f.Add(npy, "sr:factor=2,kernel=FILE", "circular", psf)
	f.Add(encoded(f, "jpeg", picture(3, 8, 8, 8)), "blur:motion,length=3,angle=30", "zero", []byte{})
	f.Add(npy, "inpaint:mask=FILE", "", gray)
	f.Add(gray, "inpaint:ratio=0.5", "reflect", []byte{})
	for _, spec := range []string{`{"spec":"cs:ratio=0.5","scene":[1,2,4]}`, `{"spec":"tomo:angles=2,detectors=4","scene":[1,4,4]}`, `{"spec":"mri:accel=2","scene":[1,4,4]}`} {
		var m struct{ Spec string }
		json.Unmarshal([]byte(spec), &m)
		s, err := operators.ParseSpec(m.Spec)
		if err != nil {
			f.Fatal(err)
		}
		scene := operators.Shape{C: 1, H: 4, W: 4}
		a, err := s.Build(scene)
		if err != nil {
			f.Fatal(err)
		}
		var b bytes.Buffer
		if err := operators.WriteMeasurement(&b, operators.Measurement{Y: operators.NewImage(a.Codomain()), Spec: s, Scene: scene, Noise: 0.1}); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes(), "denoise", "symmetric", []byte{})
	}
	f.Fuzz(func(t *testing.T, data []byte, spec, boundary string, file []byte) {
		in := filepath.Join(dir, "in.png")
		if bytes.HasPrefix(data, []byte("PK")) {
			in = filepath.Join(dir, "in.npz")
			// What is honestly large only slows the search down.
			if m, err := operators.ReadMeasurement(bytes.NewReader(data), int64(len(data))); err == nil && (m.Scene.Len() > 1<<10 || len(m.Y.Pix) > 1<<12) {
				t.Skip()
			}
		} else if p, err := imageio.Decode(bytes.NewReader(data), "in"); err == nil && len(p.Pix) > 1<<10 {
			t.Skip()
		}
		name := filepath.Join(dir, "file")
		if s, err := operators.ParseSpec(strings.ReplaceAll(spec, "FILE", name)); err == nil {
			if s.File() != "" && s.File() != name {
				t.Skip() // no other files
			}
			spec = strings.ReplaceAll(spec, "FILE", name)
			b, _ := operators.ParseBoundary(boundary)
			s = s.WithBoundary(b).WithData(operators.Image{Shape: operators.Shape{C: 1, H: 1, W: 1}, Pix: []float32{1}})
			if p, err := s.Scene(operators.Shape{C: 1, H: 8, W: 8}); err == nil && p.Len() > 1<<14 {
				t.Skip()
			}
		}
		out := filepath.Join(dir, "out.npy")
		os.Remove(out)
		for path, b := range map[string][]byte{in: data, name: file} {
			if err := os.WriteFile(path, b, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		var stdout, stderr bytes.Buffer
		code := run(context.Background(), []string{"restore", "--prior", pr, "--noise", "0.1", "--iters", "2", "--threads", "1", "--quiet",
			"--operator=" + spec, "--boundary=" + boundary, in, "-o", out}, nil, &stdout, &stderr)
		left, _ := filepath.Glob(filepath.Join(dir, ".*"))
		if len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		if code == exitOK {
			p, err := imageio.Read(out) // which wants finite samples
			if err != nil || len(p.Pix) == 0 {
				t.Errorf("wrote %v, %v", p, err)
			}
			return
		}
		if _, err := os.Stat(out); err == nil {
			t.Error("failed, and wrote an output")
		}
		if line := stderr.String(); code != exitFailed && code != exitUsage || !strings.HasPrefix(line, "lpn: ") || strings.IndexByte(line, '\n') != len(line)-1 {
			t.Errorf("exit %d, %q", code, line)
		}
	})
}

// FuzzKernelFile: a kernel file gives a kernel of sum 1, or one line.
func FuzzKernelFile(f *testing.F) {
	f.Add([]byte("0 1 0\n1 4 1\n0 1 0\n"))
	f.Add([]byte("# psf\n.5,.5\n"))
	f.Add(encoded(f, "png", picture(1, 5, 5, 8)))
	f.Add(encoded(f, "npy", picture(3, 3, 5, 8)))
	f.Add([]byte("\x93NUMPY\x01\x00"))
	path := filepath.Join(f.TempDir(), "k")
	spec, err := operators.ParseSpec("blur:kernel=k")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		m, err := openOperatorFile(path)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("more than one line: %q", err)
			}
			return
		}
		k, err := operators.NewKernel(m)
		if err == nil {
			var sum, size float64
			for _, v := range k.Taps {
				sum += float64(v)
				size += math.Abs(float64(v))
			}
			if len(k.Taps) != k.H*k.W || !(math.Abs(sum-1) <= 1e-5*size) {
				t.Errorf("%dx%d, %d taps, sum %v", k.H, k.W, len(k.Taps), sum)
			}
		}
		// As an operator on a picture.
		a, err := spec.WithBoundary(operators.Replicate).WithData(m).Build(operators.Shape{C: 1, H: 6, W: 5})
		if err != nil {
			return
		}
		y, x := make([]float32, a.Codomain().Len()), picture(1, 6, 5, 8).Pix
		if a.Apply(y, x); slices.ContainsFunc(y, func(v float32) bool { return v-v != 0 }) && k.H*k.W < 1<<10 {
			t.Errorf("blurs to %v", y)
		}
	})
}

// FuzzConfig: what parses as a network's configuration makes a network, which
// comes back from its file.
func FuzzConfig(f *testing.F) {
	for _, c := range []lpn.Config{testNet().Config(), lpn.Pyramid(1, 0.1), lpn.Dense(2, 4, 3), lpn.MNIST(4)} {
		b, err := json.Marshal(c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add([]byte(`{"name":"x","config":` + string(b) + `}`))
	}
	// Once took terabytes of memory.
	f.Add([]byte(`{"channels":1,"sigma":0.1,"unit":0.1,"softplus":{"beta":10,"layers":[{"width":4096,"k":64,"stride":1},{"width":4096,"k":64,"stride":1}]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg, err := parseConfig(text)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("more than one line: %q", err)
			}
			return
		}
		if n := cfg.NumParams(); n < 1 || n > 1<<26 {
			t.Fatalf("%d weights", n)
		} else if n > 1<<14 {
			t.Skip() // honestly large
		}
		net, err := lpn.New(cfg, rand.New(rand.NewPCG(1, 2)))
		if err != nil {
			t.Fatal(err)
		}
		s := operators.Shape{C: cfg.Channels, H: 12, W: 10}
		if cfg.Height > 0 {
			s.H, s.W = cfg.Height, cfg.Width
		}
		if s.Len() > 1<<12 {
			t.Skip()
		}
		b, err := net.On(s, lpn.Threads(1))
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("more than one line: %q", err)
			}
			return
		}
		out := make([]float32, s.Len())
		b.Eval(out, make([]float32, s.Len()))
		var file bytes.Buffer
		if err := net.Write(&file, false); err != nil {
			t.Fatal(err)
		}
		if _, err := lpn.Read(bytes.NewReader(file.Bytes()), int64(file.Len())); err != nil {
			t.Errorf("what was written is not read: %v", err)
		}
	})
}

// FuzzParams: what parses as a file of lpn tune is fit for the solver, and is
// written as it is read.
func FuzzParams(f *testing.F) {
	f.Add([]byte(`{"operator":"denoise","boundary":"symmetric","noise":0.1,"images":1,"seed":1,"trials":2,"psnr":30,"prior":"x","solver":"admm","strength":0.5,"scale":1.2,"rho":2,"baselines":{"tv":1}}`))
	f.Add([]byte(`{"psnr":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := flags.ParseParams(text)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("more than one line: %q", err)
			}
			return
		}
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		q, err := flags.ParseParams(b)
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if again, _ := json.Marshal(q); !bytes.Equal(b, again) {
			t.Errorf("%s came back as %s", b, again)
		}
		for _, v := range []float64{p.Strength, p.Scale, p.Rho} {
			if v != 0 && !(v > 0 && v <= math.MaxFloat32) {
				t.Errorf("took %v", v)
			}
		}
	})
}
