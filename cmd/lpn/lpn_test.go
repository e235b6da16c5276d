package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
)

// call runs the program as a shell would.
func call(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return callWith(t, context.Background(), nil, args...)
}

func callWith(t *testing.T, ctx context.Context, stdin []byte, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	code = run(ctx, args, bytes.NewReader(stdin), &out, &errOut)
	return code, out.String(), errOut.String()
}

// slow leaves a test out of -short, which the race detector runs with: what it
// does at length others do in short.
func slow(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("slow")
	}
}

// must runs the program and wants success.
func must(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errOut := call(t, args...)
	if code != exitOK {
		t.Fatalf("lpn %s: exit %d: %s", strings.Join(args, " "), code, errOut)
	}
	return out
}

// asJSON wants stdout to be exactly one JSON object (or array).
func asJSON[T any](t *testing.T, stdout string) T {
	t.Helper()
	var v T
	d := json.NewDecoder(strings.NewReader(stdout))
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %q", err, stdout)
	}
	if d.More() {
		t.Fatalf("more than one JSON value in %q", stdout)
	}
	return v
}

// The priors of the tests have random weights: they denoise nothing, but they
// are exact proximal operators like any other.
var testNet = sync.OnceValue(func() *lpn.Network { return randomNet(1) })

func randomNet(channels int) *lpn.Network {
	cfg := lpn.SoftplusAny(channels, 8, 2, 0.1)
	n, err := lpn.New(cfg, rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		panic(err)
	}
	return n
}

// prior writes the gray test prior to a file.
func prior(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "prior"+priorExt)
	if err := testNet().Save(path, false); err != nil {
		t.Fatal(err)
	}
	return path
}

// picture is a smooth pattern with an edge, its samples on the levels of bits.
func picture(c, h, w, bits int) *imageio.Picture {
	p := &imageio.Picture{Image: operators.NewImage(operators.Shape{C: c, H: h, W: w}), Bits: bits}
	top := float64(int(1)<<bits - 1)
	for k := range c {
		for y := range h {
			for x := range w {
				v := 0.5 + 0.3*math.Sin(float64(x)/5+float64(k))*math.Cos(float64(y)/7)
				if x+y > (h+w)/2 {
					v -= 0.15
				}
				p.Plane(k)[y*w+x] = float32(math.Round(v*top) / top)
			}
		}
	}
	return p
}

func save(t *testing.T, path string, p *imageio.Picture) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := imageio.Write(path, p, imageio.Options{}); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, path string) *imageio.Picture {
	t.Helper()
	p, err := imageio.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func psnr(t *testing.T, a, b string) float64 {
	t.Helper()
	return asJSON[struct{ PSNR float64 }](t, must(t, "compare", "--json", a, b)).PSNR
}

// TestBadInput: each mistake gives one clear line, the right exit code and no
// output file.
func TestBadInput(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	good := save(t, in("good.png"), picture(1, 24, 20, 8))
	save(t, in("colour.png"), picture(3, 24, 20, 8))
	save(t, in("other.png"), picture(1, 20, 20, 8))
	os.WriteFile(in("text.png"), []byte("this is a text\n"), 0o666)
	os.WriteFile(in("empty.png"), nil, 0o666)
	os.WriteFile(in("vast.json"), []byte(`{"channels":1,"sigma":0.1,"unit":0.1,"softplus":{"beta":10,"layers":[{"width":4096,"k":1,"stride":1,"pad":0},{"width":4096,"k":64,"stride":1,"pad":0}]}}`), 0o666)
	os.WriteFile(in("typo.json"), []byte(`{"chanels":1}`), 0o666)
	nan := picture(1, 8, 8, 8)
	nan.Pix[3] = float32(math.NaN())
	save(t, in("nan.npy"), nan)
	os.WriteFile(in("kernel.txt"), []byte("1 2 3\n4 5\n"), 0o666)
	os.Mkdir(in("folder"), 0o777)
	pr := prior(t)
	three := in("three" + priorExt)
	if err := randomNet(3).Save(three, false); err != nil {
		t.Fatal(err)
	}
	broken, _ := os.ReadFile(pr)
	broken = broken[:len(broken)/2]
	os.WriteFile(in("broken"+priorExt), broken, 0o666)
	os.WriteFile(in("bad.npz"), []byte("PK not really"), 0o666)
	out := in("out.png")
	before, _ := os.ReadDir(dir)

	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"restor x.png", 2, `unknown command "restor" (did you mean "restore"?)`},
		{"frobnicate", 2, `unknown command "frobnicate"; want restore`},
		{"--quite", 2, "comes before any command"},
		{"restore --nois 0.1 G -o OUT", 2, `no flag --nois (did you mean "--noise"?)`},
		{"restore --noise abc G -o OUT", 2, `--noise: "abc" is not a number in [0,1], a fraction like 25/255, or auto`},
		{"restore --noise 25 G -o OUT", 2, `--noise: "25" is not a number in [0,1]`},
		{"restore --noise 1/0 G -o OUT", 2, `--noise: "1/0"`},
		{"restore --noise nan G -o OUT", 2, `--noise: "nan"`},
		{"restore --noise -0.1 G -o OUT", 2, `--noise: "-0.1"`},
		{"restore G -o OUT --noise", 2, "--noise needs a value"},
		{"restore G -o --force", 2, "-o needs a value, got the flag --force"},
		{"restore --iters x G -o OUT", 2, `--iters: "x" is not a number`},
		{"restore --iters 0 G -o OUT", 2, "--iters: 0; want a positive number"},
		{"restore --tol 2 G -o OUT", 2, "--tol: 2; want"},
		{"restore --strength 0 G -o OUT", 2, "--strength: 0; want a positive number"},
		{"restore --solver bgp G -o OUT", 2, `unknown solver "bgp" (did you mean "bpg"?)`},
		{"restore --solver admm --step 1 G -o OUT", 2, "--step: goes with"},
		{"restore --rho 1 G -o OUT", 2, "--rho: goes with"},
		{"restore --rho 0 G -o OUT", 2, "--rho: 0; want"},
		{"restore --solver admm --step 0 G -o OUT", 2, "--step: 0; want"},
		{"restore --solver admm --rho 0 G -o OUT", 2, "--rho: 0; want a positive number"},
		{"restore --step 0 G -o OUT", 2, "--step: 0; want a positive number"},
		{"restore --scale 0 G -o OUT", 2, "--scale: 0; want a positive number"},
		{"restore --threads -1 G -o OUT", 2, "--threads: -1"},
		{"restore --threads 1000000 G -o OUT", 2, "--threads: 1000000; want 1 to 1024"},
		{"restore --json=maybe G -o OUT", 2, `--json: "maybe" is neither true nor false`},
		{"restore --prior DIR/folder G -o OUT", 2, "folder is a folder, not a file"},
		{"restore --prior PRIOR G -o OUT --trace DIR/folder", 2, "folder is a folder, not a file"},
		{"restore --operator blurr:gaussian,sigma=1 G -o OUT", 2, `unknown operator "blurr" (did you mean "blur"?)`},
		{"restore --operator blur:gaussian,sigm=1 G -o OUT", 2, `unknown key "sigm" (did you mean "sigma"?)`},
		{"restore --operator blur:gaussian,sigma=x G -o OUT", 2, `sigma="x"`},
		{"restore --operator blur:kernel=DIR/absent.npy G -o OUT", 2, "absent.npy: no such file"},
		{"restore --operator blur:kernel=DIR/kernel.txt G -o OUT", 1, "line 2 has 2 numbers, the lines before it 3"},
		{"restore --operator blur:kernel=DIR/text.png G -o OUT", 1, "not an image that lpn reads"},
		{"restore --operator cs:ratio=0.5 G -o OUT", 2, "lpn measure --operator cs:ratio=0.5"},
		{"restore --boundary mirror G -o OUT", 2, `unknown boundary "mirror"`},
		{"restore DIR/absent.png -o OUT", 2, "absent.png: no such file or directory"},
		{"restore DIR/*.gif -o OUT", 2, "no file matches"},
		{"restore DIR/folder -o OUT", 2, "no images in this folder"},
		{"restore G DIR/colour.png -o OUT", 2, "out.png is one file, the inputs may be many"},
		{"degrade G DIR/colour.png -o DIR/y.npz", 2, "y.npz is one file"},
		{"restore DIR -o DIR/y.PNG", 2, "y.PNG is one file"},
		{"restore -o OUT", 2, "no input"},
		{"restore DIR/text.png -o OUT", 1, "text.png: not an image that lpn reads: neither PNG"},
		{"restore DIR/empty.png -o OUT", 1, "empty.png: not an image that lpn reads: the file is empty"},
		{"restore DIR/nan.npy -o OUT", 1, "nan.npy: not an image that lpn reads: sample 3 is NaN: every sample must be a finite number"},
		{"restore DIR/bad.npz -o OUT", 1, "not a .npz archive"},
		{"restore DIR/absent.npz -o OUT", 2, "absent.npz: no such file"},
		{"restore --prior nosuch G -o OUT", 2, `no built-in prior and no file "nosuch"`},
		{"restore --prior DIR/nosuch.safetensors G -o OUT", 2, "no such file"},
		{"restore --prior DIR/broken.safetensors G -o OUT", 1, "broken.safetensors"},
		{"restore --prior DIR/good.png G -o OUT", 1, "good.png"},
		{"restore --prior DIR/three.safetensors --noise 0.1 G -o OUT", 2, "it is for 3 channels, the picture has 1"},
		{"restore --prior PRIOR G -o DIR/out.gif --noise 0.1", 2, "cannot write .gif"},
		{"restore --prior PRIOR G -o DIR/out.npz", 2, "cannot write .npz"},
		{"restore --prior PRIOR G -o DIR/out.jpg --format png", 2, "does not go with"},
		{"restore --prior PRIOR G -o OUT --tile -1", 2, "--tile: -1"},
		{"restore --prior PRIOR G -o G --force", 2, "would overwrite itself"},
		{"restore --prior PRIOR G -o DIR/other.png", 2, "exists: --force overwrites it"},
		{"restore --prior PRIOR G -o OUT --force --skip-existing", 2, "contradict"},
		{"restore --prior PRIOR G -o -", 2, "wants --format"},
		{"restore --prior PRIOR G -o - --format png --json", 2, "both want stdout"},
		{"restore --prior PRIOR G -o OUT --bits 12", 2, "--bits: 12; want 8 or 16"},
		{"restore --prior PRIOR G -o DIR/out.jpg --quality 0", 2, "--quality: 0; want 1 to 100"},
		{"restore --prior PRIOR G -o DIR/{nam}.png", 2, "unknown field"},
		{"restore --prior PRIOR - G -o DIR/sub/", 2, "goes alone"},
		{"restore --prior PRIOR -", 2, "wants -o"},
		{"restore --prior PRIOR G -o OUT --reference DIR/absent.png", 2, "no such file"},
		{"restore --prior PRIOR G -o OUT --noise 0.1 --reference DIR/other.png", 1, "the reference is 1x20x20, the result 1x24x20"},
		{"restore --prior PRIOR G DIR/other.png -o DIR/sub --trace DIR/t.csv", 2, "go with one input"},
		{"restore --prior PRIOR G -o OUT --plot DIR/t.gif", 2, "a plot goes to a .png, .svg or .pdf file"},
		{"degrade --noise auto G -o OUT", 2, "auto is for restore"},
		{"degrade --light auto G -o OUT", 2, "--light: \"auto\"; want linear or srgb"},
		{"degrade --light linear G -o OUT", 2, "--light: linear goes with blur and sr, not with denoise"},
		{"degrade --light linear --operator sr:factor=2 G -o DIR/y.npz", 2, "does not say what light"},
		{"degrade --seed -1 G -o OUT", 2, "--seed"},
		{"degrade --operator cs:ratio=0.5 G -o OUT", 2, "write it to a .npz file"},
		{"degrade --operator blur:gaussian,sigma=20 --boundary valid G -o OUT", 1, "good.png"},
		{"degrade DIR/text.png -o OUT", 1, "not an image that lpn reads"},
		{"compare G", 2, "compare wants two images"},
		{"compare G DIR/other.png", 1, "sizes differ: 20x24 gray and 20x20 gray"},
		{"compare G DIR/colour.png", 1, "sizes differ: 20x24 gray and 20x24 colour"},
		{"compare G DIR/absent.png", 2, "no such file"},
		{"eval DIR/folder", 2, "no images"},
		{"eval --baseline tvv DIR", 2, `did you mean "tv"?`},
		{"eval --noise auto DIR", 2, "auto is no answer"},
		{"info DIR/absent.safetensors", 2, "no such file"},
		{"apply PRIOR DIR/good.png -o DIR/f.npy", 1, "not a .npy file"},
		{"apply PRIOR DIR/nan.npy -o DIR/f.npy", 1, "finite"},
		{"apply PRIOR DIR/absent.npy -o DIR/f.npy", 2, "no such file"},
		{"apply PRIOR DIR/nan.npy", 2, "wants -o"},
		{"apply PRIOR DIR/nan.npy -o PRIOR --force", 2, "apply writes .npy files"},
		{"apply PRIOR DIR/nan.npy -o DIR/f.png", 2, "f.png: apply writes .npy files"},
		{"apply PRIOR - -o DIR/f.npy", 1, "stdin: damaged .npy: it ends too early"},
		{"version 2", 2, "version wants no arguments"},
		{"prior path --perturb noise --levels=-1,0 G -o DIR/f.csv", 2, "--levels: -1; noise wants levels of at least 0"},
		{"train --data DIR/absent -o DIR/p.safetensors", 2, "absent: no such file or folder"},
		{"train --data DIR -o DIR/folder", 2, "folder is a folder, not a file"},
		{"train --data DIR --checkpoint DIR/folder -o DIR/p.safetensors", 2, "--checkpoint: "},
		{"train --data DIR --lr 1e300 -o DIR/p.safetensors", 2, "--lr: 1e+300; want a positive number up to 10"},
		{"train --data DIR --batch 1000000000 -o DIR/p.safetensors", 2, "--batch: 1000000000; want at most 4096"},
		{"train --data DIR --config DIR/vast.json -o DIR/p.safetensors", 2, "vast.json: 68736266240 weights, want at most 67108864"},
		{"train --data DIR --config DIR/typo.json -o DIR/p.safetensors", 2, `typo.json: unknown field "chanels"`},
		{"import DIR/absent.pt -o DIR/p.safetensors", 2, "no such file"},
		{"import DIR/text.png -o DIR/p.safetensors", 1, "text.png"},
		{"verify DIR/absent.safetensors", 2, "no such file"},
		{"verify PRIOR --size -1", 2, "--size: -1"},
		{"prior", 2, "prior wants one of"},
		{"prior value DIR/absent.png", 2, "no such file"},
		{"completion tcsh", 2, "want bash, zsh or fish"},
	} {
		args := strings.Fields(c.args)
		for i, a := range args {
			args[i] = strings.NewReplacer("DIR", dir, "OUT", out, "PRIOR", pr).Replace(a)
			if a == "G" {
				args[i] = good
			}
		}
		code, stdout, stderr := call(t, args...)
		if code != c.code {
			t.Errorf("lpn %s: exit %d, want %d (%s)", c.args, code, c.code, stderr)
		}
		if !strings.HasPrefix(stderr, "lpn: ") || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, c.want) {
			t.Errorf("lpn %s: %q; want one line with %q", c.args, stderr, c.want)
		}
		if stdout != "" {
			t.Errorf("lpn %s: printed %q", c.args, stdout)
		}
	}
	after, _ := os.ReadDir(dir)
	if len(after) != len(before) {
		t.Errorf("files were left: %v", after)
	}
}

// TestRoundTrip: degrade, then restore, through PNG and .npy, gray and colour,
// 8 and 16 bits, odd sizes down to one pixel.
func TestRoundTrip(t *testing.T) {
	pr := prior(t)
	for _, c := range []struct {
		ext     string
		c, h, w int
		bits    int
	}{
		{".png", 1, 24, 21, 8}, {".png", 1, 24, 21, 16}, {".png", 3, 17, 20, 8}, {".png", 3, 17, 20, 16},
		{".npy", 1, 24, 21, 32}, {".npy", 3, 17, 20, 32}, {".tif", 3, 17, 20, 16}, {".png", 1, 1, 1, 8},
	} {
		dir := t.TempDir()
		name := fmt.Sprintf("%dx%dx%d %d bits %s", c.c, c.h, c.w, c.bits, c.ext)
		truth := save(t, filepath.Join(dir, "truth"+c.ext), picture(c.c, c.h, c.w, min(c.bits, 16)))
		blurred, sharp := filepath.Join(dir, "y"+c.ext), filepath.Join(dir, "x"+c.ext)
		must(t, "degrade", "--operator", "blur:gaussian,sigma=1", "--noise", "0.05", truth, "-o", blurred)
		code, _, stderr := call(t, "restore", "--operator", "blur:gaussian,sigma=1", "--noise", "0.05", "--prior", pr, "--iters", "5", blurred, "-o", sharp)
		if code != exitOK {
			t.Errorf("%s: exit %d: %s", name, code, stderr)
			continue
		}
		if c.c == 3 && !strings.Contains(stderr, "channel by channel") {
			t.Errorf("%s: nothing was said of the gray prior: %q", name, stderr)
		}
		y, x := load(t, blurred), load(t, sharp)
		if x.Shape != (operators.Shape{C: c.c, H: c.h, W: c.w}) || x.Bits != c.bits || y.Bits != c.bits {
			t.Errorf("%s: restored to %v, %d bits", name, x.Shape, x.Bits)
		}
	}
}

// TestNpyKeepsRange: a measurement in .npy leaves [0,1] and is not clipped.
func TestNpyKeepsRange(t *testing.T) {
	dir := t.TempDir()
	p := picture(1, 20, 20, 8)
	for i := range p.Pix {
		p.Pix[i] = float32(i % 2)
	}
	truth := save(t, filepath.Join(dir, "a.png"), p)
	y := filepath.Join(dir, "y.npy")
	must(t, "degrade", "--noise", "0.2", "--seed", "7", truth, "-o", y)
	m := load(t, y)
	if lo, hi := slices.Min(m.Pix), slices.Max(m.Pix); lo >= 0 || hi <= 1 {
		t.Errorf("range [%v,%v]: clipped", lo, hi)
	}
	// The same seed gives the same noise on any number of cores, another seed another.
	again := filepath.Join(dir, "again.npy")
	must(t, "degrade", "--noise", "0.2", "--seed", "7", "--threads", "1", truth, "-o", again)
	other := filepath.Join(dir, "other.npy")
	must(t, "degrade", "--noise", "0.2", "--seed", "8", truth, "-o", other)
	if !slices.Equal(m.Pix, load(t, again).Pix) || slices.Equal(m.Pix, load(t, other).Pix) {
		t.Error("the seed does not decide the noise")
	}
}

// TestThreads: the same bits on any number of cores, and in tiles.
func TestThreads(t *testing.T) {
	dir := t.TempDir()
	pr := prior(t)
	y := save(t, filepath.Join(dir, "y.png"), picture(1, 40, 33, 8))
	var files [][]byte
	for i, how := range [][]string{{"--threads", "1"}, {"--threads", "3"}, {"--tile", "16"}} {
		to := filepath.Join(dir, fmt.Sprint(i, ".npy"))
		must(t, "restore", "--prior", pr, "--noise", "0.1", "--iters", "5", how[0], how[1], "--operator", "blur:gaussian,sigma=1.2", y, "-o", to)
		b, err := os.ReadFile(to)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, b)
	}
	if !bytes.Equal(files[0], files[1]) || !bytes.Equal(files[0], files[2]) {
		t.Error("threads or tiles changed the result")
	}
}

func TestAlphaAndProfile(t *testing.T) {
	dir := t.TempDir()
	p := picture(3, 20, 18, 8)
	p.Alpha = make([]uint16, 20*18)
	for i := range p.Alpha {
		p.Alpha[i] = uint16(i%256) * 0x101
	}
	p.ICC = make([]byte, 200)
	copy(p.ICC[16:], "RGB ")
	in := save(t, filepath.Join(dir, "a.png"), p)
	out := filepath.Join(dir, "b.png")
	must(t, "restore", "--prior", prior(t), "--noise", "0.1", "--iters", "3", in, "-o", out)
	q := load(t, out)
	if !slices.Equal(p.Alpha, q.Alpha) || !bytes.Equal(p.ICC, q.ICC) {
		t.Error("alpha or profile changed")
	}
	// Boundary valid: the alpha of the part that is covered.
	must(t, "degrade", "--operator", "blur:uniform,size=5", "--boundary", "valid", in, "-o", filepath.Join(dir, "v.png"))
	v := load(t, filepath.Join(dir, "v.png"))
	if v.H != 16 || v.W != 14 || v.Alpha[0] != p.Alpha[2*18+2] {
		t.Errorf("valid: %v, first alpha %d", v.Shape, v.Alpha[0])
	}
	// A format without alpha says so.
	_, _, stderr := call(t, "degrade", in, "-o", filepath.Join(dir, "c.jpg"))
	if !strings.Contains(stderr, "no alpha") {
		t.Errorf("alpha was dropped in silence: %q", stderr)
	}
}

// TestBoundaryValid: under a kernel that is a single tap at its centre, the
// measurement is the middle of the scene and the result is the measurement.
func TestBoundaryValid(t *testing.T) {
	pr := prior(t)
	for _, k := range []int{4, 5} {
		dir := t.TempDir()
		truth := picture(1, 40, 36, 8)
		file := save(t, filepath.Join(dir, "truth.png"), truth)
		rows := strings.Repeat(strings.Repeat("0 ", k)+"\n", k)
		at := (k/2)*(2*k+1) + 2*(k/2) // tap (k/2,k/2)
		kernel := filepath.Join(dir, "kernel.txt")
		os.WriteFile(kernel, []byte(rows[:at]+"1"+rows[at+1:]), 0o666)
		spec := []string{"--operator", "blur:kernel=" + kernel, "--boundary", "valid"}
		y, x := filepath.Join(dir, "y.npy"), filepath.Join(dir, "x.npy")
		must(t, append([]string{"degrade", file, "-o", y}, spec...)...)
		want := restore.Centre(truth.Image, 41-k, 37-k)
		if got := load(t, y); got.Shape != want.Shape || distance(got.Pix, want.Pix) > 1e-5 {
			t.Fatalf("kernel of %d: the measurement %v is not the middle of the scene", k, got.Shape)
		}
		out := must(t, append([]string{"restore", "--json", "--prior", pr, "--noise", "0", "--strength", "1e-3", "--reference", file, y, "-o", x}, spec...)...)
		if got := load(t, x); got.Shape != want.Shape || distance(got.Pix, want.Pix) > 0.02 {
			t.Errorf("kernel of %d: the result %v is off by %v", k, got.Shape, distance(got.Pix, want.Pix))
		}
		if r := asJSON[restored](t, out); r.PSNR == nil || *r.PSNR < 40 {
			t.Errorf("kernel of %d: compared with another part of the truth: %v", k, *r.PSNR)
		}
	}
}

func TestRestoreJSON(t *testing.T) {
	dir := t.TempDir()
	truth := save(t, filepath.Join(dir, "truth.png"), picture(1, 24, 24, 8))
	y := filepath.Join(dir, "y.png")
	must(t, "degrade", "--noise", "0.1", truth, "-o", y)
	trace, drawing := filepath.Join(dir, "t.csv"), filepath.Join(dir, "t.png")
	out := must(t, "restore", "--json", "--prior", prior(t), "--reference", truth, "--trace", trace, "--plot", drawing, y, "-o", filepath.Join(dir, "x.png"))
	if p := load(t, drawing); p.W < 300 || p.H < 300 {
		t.Errorf("plot of %v", p.Shape)
	}
	r := asJSON[map[string]any](t, out)
	for _, k := range []string{"input", "output", "operator", "prior", "solver", "iterations", "seconds", "objective", "converged", "certified", "noise", "psnr", "ssim"} {
		if v, ok := r[k]; !ok || v == nil {
			t.Errorf("%s is %v", k, v)
		}
	}
	if n := r["noise"].(float64); n < 0.07 || n > 0.14 {
		t.Errorf("noise 0.1 was estimated as %.3f", n)
	}
	if want := psnr(t, truth, filepath.Join(dir, "x.png")); math.Abs(r["psnr"].(float64)-want) > 0.2 {
		t.Errorf("PSNR %v, of the 8-bit file %v", r["psnr"], want)
	}
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	if lines[0] != "iter,seconds,objective,data,prior,residual,psnr" || len(lines) != int(r["iterations"].(float64))+1 {
		t.Errorf("trace of %d lines for %v iterations: %s", len(lines), r["iterations"], lines[0])
	}
	// Without a reference PSNR and SSIM are null.
	out = must(t, "restore", "--json", "--prior", prior(t), "--noise", "0", "--iters", "2", y, "-o", filepath.Join(dir, "z.png"))
	if r := asJSON[map[string]any](t, out); r["psnr"] != nil || r["ssim"] != nil {
		t.Errorf("psnr %v without a reference", r["psnr"])
	}
}

// Every solver writes the rows that its result sums up, and draws them. The
// descent methods never raise the objective; the splittings descend on others
// than the one they report.
func TestTraceOfEverySolver(t *testing.T) {
	dir := t.TempDir()
	truth := save(t, filepath.Join(dir, "truth.png"), picture(1, 24, 24, 8))
	y := filepath.Join(dir, "y.npy")
	must(t, "degrade", "--operator", "blur:gaussian,sigma=1", "--noise", "0.05", "--seed", "2", truth, "-o", y)
	certified := 0
	for _, solver := range []string{"bpg", "pgd", "apgd", "admm", "hqs", "drs"} {
		trace, drawing := filepath.Join(dir, solver+".csv"), filepath.Join(dir, solver+".png")
		r := asJSON[restored](t, must(t, "restore", "--json", "--prior", prior(t), "--operator", "blur:gaussian,sigma=1", "--noise", "0.05",
			"--solver", solver, "--strength", "1", "--iters", "12", "--reference", truth, "--trace", trace, "--plot", drawing, y, "-o", filepath.Join(dir, solver+".tif")))
		if p := load(t, drawing); p.W < 300 || p.H < 300 {
			t.Errorf("%s: plot of %v", solver, p.Shape)
		}
		f, err := os.Open(trace)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(f).ReadAll()
		f.Close()
		if err != nil || len(rows) != r.Iterations+1 || r.Iterations < 2 {
			t.Fatalf("%s: %d rows for %d iterations: %v", solver, len(rows), r.Iterations, err)
		}
		if r.Certified {
			certified++
		}
		last := math.Inf(1)
		for i, row := range rows[1:] {
			var v [7]float64
			for k := range v {
				if v[k], err = strconv.ParseFloat(row[k], 64); err != nil || math.IsNaN(v[k]) {
					t.Fatalf("%s: %s of row %d is %q", solver, rows[0][k], i+1, row[k])
				}
			}
			if int(v[0]) != i+1 {
				t.Errorf("%s: row %d has iteration %v", solver, i+1, v[0])
			}
			if descends := slices.Contains([]string{"bpg", "pgd", "apgd"}, solver); descends && r.Certified && v[2] > last+1e-6*math.Abs(last) {
				t.Errorf("%s: the objective rises from %v to %v in iteration %d", solver, last, v[2], i+1)
			}
			last = v[2]
		}
		if math.Abs(last-float64(r.Objective)) > 1e-3*math.Abs(last) {
			t.Errorf("%s: the trace ends at the objective %v, the result has %v", solver, last, r.Objective)
		}
	}
	if certified < 3 {
		t.Errorf("only %d solvers are certified", certified)
	}
}

func TestBatch(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in")
	save(t, filepath.Join(in, "a.png"), picture(1, 16, 16, 8))
	save(t, filepath.Join(in, "b.tif"), picture(1, 16, 12, 16))
	save(t, filepath.Join(in, "deep", "er", "c.png"), picture(3, 12, 16, 8))
	os.WriteFile(filepath.Join(in, "bad.png"), []byte("not a picture"), 0o666)
	os.WriteFile(filepath.Join(in, "notes.txt"), []byte("not looked at"), 0o666)
	pr := prior(t)
	out := filepath.Join(dir, "out")
	code, stdout, stderr := call(t, "restore", "--json", "-r", "--prior", pr, "--noise", "0.1", "--iters", "2", in, "-o", out)
	if code != exitPartly {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	r := asJSON[struct {
		Results []restored
		Failed  []failure
	}](t, stdout)
	if len(r.Results) != 3 || len(r.Failed) != 1 || filepath.Base(r.Failed[0].Input) != "bad.png" || !strings.Contains(stderr, "bad.png") {
		t.Errorf("%d results, failed %v, stderr %q", len(r.Results), r.Failed, stderr)
	}
	for _, f := range []string{"a.png", "b.tif", "deep/er/c.png"} {
		if _, err := os.Stat(filepath.Join(out, f)); err != nil {
			t.Error(err)
		}
	}
	// Once more: refused, passed over, or forced.
	os.Remove(filepath.Join(in, "bad.png"))
	if code, _, _ := call(t, "restore", "-r", "--prior", pr, "--noise", "0.1", in, "-o", out); code != exitUsage {
		t.Errorf("existing outputs: exit %d", code)
	}
	os.Remove(filepath.Join(out, "a.png"))
	stdout = must(t, "restore", "--json", "-r", "--skip-existing", "--prior", pr, "--noise", "0.1", "--iters", "2", in, "-o", out)
	if r := asJSON[batchResult](t, stdout); len(r.Results) != 1 {
		t.Errorf("--skip-existing: %d results, want the one that was missing", len(r.Results))
	}
	must(t, "restore", "--quiet", "-r", "--force", "--prior", pr, "--noise", "0.1", "--iters", "2", in, "-o", out)
	// Patterns and templates.
	must(t, "degrade", filepath.Join(in, "*.png"), filepath.Join(in, "b.tif"), "-o", filepath.Join(dir, "t", "{name}_x{ext}"))
	for _, f := range []string{"a_x.png", "b_x.tif"} {
		if _, err := os.Stat(filepath.Join(dir, "t", f)); err != nil {
			t.Error(err)
		}
	}
	// Two inputs for one output: the second fails, the first is written.
	save(t, filepath.Join(in, "deep", "a.png"), picture(1, 9, 9, 8))
	if code, _, stderr := call(t, "degrade", filepath.Join(in, "a.png"), filepath.Join(in, "deep", "a.png"), "-o", filepath.Join(dir, "u")); code != exitPartly || !strings.Contains(stderr, "is written to") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if _, err := os.Stat(filepath.Join(dir, "u", "a.png")); err != nil {
		t.Error(err)
	}
	// Beside the inputs by default.
	must(t, "degrade", filepath.Join(in, "a.png"))
	if _, err := os.Stat(filepath.Join(in, "a_degraded.png")); err != nil {
		t.Error(err)
	}
}

// TestLinks: a link inside the output folder leads nowhere.
func TestLinks(t *testing.T) {
	dir := t.TempDir()
	save(t, filepath.Join(dir, "in", "sub", "a.png"), picture(1, 8, 8, 8))
	os.MkdirAll(filepath.Join(dir, "elsewhere"), 0o777)
	os.MkdirAll(filepath.Join(dir, "out"), 0o777)
	if err := os.Symlink(filepath.Join(dir, "elsewhere"), filepath.Join(dir, "out", "sub")); err != nil {
		t.Skip(err)
	}
	code, _, stderr := call(t, "degrade", "-r", filepath.Join(dir, "in"), "-o", filepath.Join(dir, "out"))
	if files, _ := os.ReadDir(filepath.Join(dir, "elsewhere")); code != exitUsage || len(files) != 0 {
		t.Errorf("exit %d, written outside: %v (%s)", code, files, stderr)
	}
}

func TestStdinStdout(t *testing.T) {
	dir := t.TempDir()
	in := save(t, filepath.Join(dir, "a.png"), picture(1, 16, 16, 8))
	data, _ := os.ReadFile(in)
	code, stdout, stderr := callWith(t, context.Background(), data, "degrade", "-", "-o", "-", "--format", "png")
	if code != exitOK {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	m, err := png.Decode(strings.NewReader(stdout))
	if err != nil {
		t.Fatal(err)
	}
	if m.Bounds() != image.Rect(0, 0, 16, 16) {
		t.Errorf("%v", m.Bounds())
	}
	code, stdout, stderr = callWith(t, context.Background(), data, "degrade", "--noise", "0.3", "-", "-o", "-", "--format", "npy", "--quiet")
	if code != exitOK || !strings.HasPrefix(stdout, "\x93NUMPY") || stderr != "" {
		t.Errorf("exit %d, %q", code, stderr)
	}
}

func TestInterrupt(t *testing.T) {
	dir := t.TempDir()
	in := save(t, filepath.Join(dir, "a.png"), picture(1, 16, 16, 8))
	pr := prior(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	out := filepath.Join(dir, "b.png")
	code, _, stderr := callWith(t, ctx, nil, "restore", "--prior", pr, "--noise", "0.1", in, "-o", out)
	if code != exitInterrupt || stderr != "lpn: interrupted\n" {
		t.Errorf("exit %d: %q", code, stderr)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("an interrupted run wrote its output")
	}
}

// TestMeasurementFile: what is no picture travels in a .npz that names its
// operator, and any measurement may.
func TestMeasurementFile(t *testing.T) {
	dir := t.TempDir()
	pr := prior(t)
	truth := save(t, filepath.Join(dir, "truth.png"), picture(1, 24, 20, 8))
	for _, spec := range []string{"blur:gaussian,sigma=1", "cs:ratio=0.5", "mri:accel=2", "tomo:angles=30"} {
		y := filepath.Join(dir, "y.npz")
		must(t, "degrade", "--force", "--operator", spec, "--noise", "0.02", truth, "-o", y)
		out := must(t, "restore", "--force", "--json", "--prior", pr, "--reference", truth, "--strength", "1e-3", "--iters", "20", y, "-o", filepath.Join(dir, "x.png"))
		r := asJSON[restored](t, out)
		if !strings.HasPrefix(r.Operator, spec) || r.Noise != 0.02 || r.PSNR == nil || *r.PSNR < 10 {
			t.Errorf("%s: %+v", spec, r)
		}
		if got := load(t, filepath.Join(dir, "x.png")); got.Shape != (operators.Shape{C: 1, H: 24, W: 20}) {
			t.Errorf("%s: restored to %v", spec, got.Shape)
		}
	}
	b, _ := os.ReadFile(filepath.Join(dir, "y.npz"))
	if _, err := zip.NewReader(bytes.NewReader(b), int64(len(b))); err != nil {
		t.Error(err)
	}
}

// TestSolvers: every solver minimises the same function, so from a strongly
// convex start they agree, and the objective they report is the same number.
func TestSolvers(t *testing.T) {
	slow(t)
	dir := t.TempDir()
	pr := prior(t)
	truth := save(t, filepath.Join(dir, "truth.png"), picture(1, 20, 20, 8))
	y := filepath.Join(dir, "y.npy")
	must(t, "degrade", "--operator", "blur:gaussian,sigma=0.7", "--noise", "0.05", truth, "-o", y)
	var first restored
	var x []float32
	for _, s := range restore.Solvers() {
		to := filepath.Join(dir, s+".npy")
		r := asJSON[restored](t, must(t, "restore", "--json", "--solver", s, "--prior", pr, "--noise", "0.05", "--strength", "1", "--tol", "1e-6", "--iters", "400",
			"--operator", "blur:gaussian,sigma=0.7", y, "-o", to))
		if x == nil {
			first, x = r, load(t, to).Pix
			continue
		}
		if d := math.Abs(float64(r.Objective-first.Objective)) / math.Abs(float64(first.Objective)); d > 2e-3 {
			t.Errorf("%s ends at objective %v, %s at %v", s, r.Objective, first.Solver, first.Objective)
		}
		if d := distance(load(t, to).Pix, x); d > 0.02 {
			t.Errorf("%s is off by %v", s, d)
		}
	}
	// A step beyond 1/lambda makes the prox a problem that need not be convex.
	out := must(t, "restore", "--json", "--solver", "admm", "--rho", "0.01", "--iters", "3", "--prior", pr, "--noise", "0.05", y, "-o", filepath.Join(dir, "z.png"))
	if r := asJSON[restored](t, out); r.Certified || r.Uncertified == "" {
		t.Errorf("certified outside the theorem: %+v", r)
	}
}

func TestEval(t *testing.T) {
	dir := t.TempDir()
	save(t, filepath.Join(dir, "in", "a.png"), picture(1, 20, 20, 8))
	save(t, filepath.Join(dir, "in", "b.png"), picture(3, 20, 20, 8))
	table := filepath.Join(dir, "t.csv")
	pr := prior(t)
	out := must(t, "eval", "--json", "--gray", "--noise", "0.1", "--prior", pr, "--iters", "3", "--baseline", "input,tv,wiener,wavelet", "--csv", table, filepath.Join(dir, "in"))
	r := asJSON[struct {
		Mean struct {
			PSNR, SSIM float64
			Baselines  map[string]struct{ PSNR float64 }
		}
		Images []struct {
			Name                string
			PSNR, SSIM, Seconds float64
		}
	}](t, out)
	if len(r.Images) != 2 || r.Images[1].Name != "b.png" || math.Abs(r.Mean.PSNR-(r.Images[0].PSNR+r.Images[1].PSNR)/2) > 1e-9 {
		t.Errorf("%+v", r)
	}
	// 0.1 of noise is 20 dB; on a smooth picture every classical method gains.
	if in := r.Mean.Baselines["input"].PSNR; math.Abs(in-20) > 0.5 {
		t.Errorf("the input has %.2f dB", in)
	}
	for _, name := range []string{"tv", "wiener", "wavelet"} {
		if got := r.Mean.Baselines[name].PSNR; got < 22 {
			t.Errorf("%s: %.2f dB", name, got)
		}
	}
	b, _ := os.ReadFile(table)
	if !strings.HasPrefix(string(b), "name,psnr,ssim,msssim,seconds,psnr_input,") {
		t.Errorf("csv %q", b)
	}
	// eval is degrade and restore in one.
	y, x := filepath.Join(dir, "y.npy"), filepath.Join(dir, "x.npy")
	must(t, "degrade", "--noise", "0.1", filepath.Join(dir, "in", "a.png"), "-o", y)
	must(t, "restore", "--noise", "0.1", "--prior", pr, "--iters", "3", y, "-o", x)
	if got := psnr(t, filepath.Join(dir, "in", "a.png"), x); math.Abs(got-r.Images[0].PSNR) > 1e-6 {
		t.Errorf("eval says %v dB, degrade and restore give %v", r.Images[0].PSNR, got)
	}
}

func TestCompare(t *testing.T) {
	dir := t.TempDir()
	p := picture(3, 12, 12, 8)
	a := save(t, filepath.Join(dir, "a.npy"), p)
	for i := range p.Pix {
		p.Pix[i] += 0.1
	}
	b := save(t, filepath.Join(dir, "b.npy"), p)
	if got := psnr(t, a, b); math.Abs(got-20) > 1e-4 {
		t.Errorf("an error of 0.1 everywhere gives %v dB, want 20", got)
	}
	if out := must(t, "compare", "--json", a, a); !strings.HasPrefix(out, `{"psnr":null,"ssim":1`) {
		t.Errorf("equal pictures: %s", out)
	}
	if out := must(t, "compare", a, b); out != "PSNR 20.00 dB  SSIM 0.9846  MS-SSIM -\n" {
		t.Errorf("too small for MS-SSIM: %q", out)
	}
	large := save(t, filepath.Join(dir, "large.npy"), picture(1, 180, 176, 8))
	if out := must(t, "compare", "--json", large, large); !strings.Contains(out, `"msssim":1`) {
		t.Errorf("equal pictures: %s", out)
	}
}

func TestApply(t *testing.T) {
	dir := t.TempDir()
	pr := prior(t)
	net := testNet()
	rng := rand.New(rand.NewPCG(3, 4))
	for _, shape := range [][]int{{9, 11}, {1, 9, 11}, {3, 1, 9, 11}} {
		a := &imageio.Array{Shape: shape, Data: []float32{}}
		n := 1
		if len(shape) == 4 {
			n = shape[0]
		}
		for range n * 99 {
			a.Data = append(a.Data, 2*rng.Float32()-0.5)
		}
		in, out, psi := filepath.Join(dir, "y.npy"), filepath.Join(dir, "f.npy"), filepath.Join(dir, "psi.npy")
		if err := imageio.WriteArray(in, a); err != nil {
			t.Fatal(err)
		}
		r := asJSON[struct{ N int }](t, must(t, "apply", "--force", "--json", pr, in, "-o", out, "--psi", psi))
		f, err := imageio.ReadArray(out)
		if err != nil {
			t.Fatal(err)
		}
		p, err := imageio.ReadArray(psi)
		if err != nil {
			t.Fatal(err)
		}
		if r.N != n || fmt.Sprint(f.Shape) != fmt.Sprint(shape) || len(p.Data) != n {
			t.Fatalf("%v: n %d, f %v, psi %v", shape, r.N, f.Shape, p.Shape)
		}
		b, err := net.On(operators.Shape{C: 1, H: 9, W: 11})
		if err != nil {
			t.Fatal(err)
		}
		want := make([]float32, 99)
		for i := range n {
			v := b.Eval(want, a.Data[i*99:(i+1)*99])
			if got := f.Data[i*99 : (i+1)*99]; distance(want, got) > 1e-5 || math.Abs(v-float64(p.Data[i])) > 1e-5*math.Abs(v) {
				t.Errorf("%v: sample %d differs", shape, i)
			}
		}
	}
}

func distance(a, b []float32) (most float64) {
	for i := range a {
		most = max(most, math.Abs(float64(a[i]-b[i])))
	}
	return most
}

// TestVerify: a prior of the tests is certified; JSON has the contract's keys.
func TestVerify(t *testing.T) {
	out := must(t, "verify", "--json", "--size", "8", prior(t))
	c := asJSON[map[string]any](t, out)
	for _, k := range []string{"ok", "convex_weights", "jacobian_asymmetry", "jacobian_min_eig", "lipschitz", "fenchel_gap", "inversion_residual", "psi_convexity_violations", "probes"} {
		if c[k] == nil {
			t.Errorf("%s is missing", k)
		}
	}
	if c["ok"] != true {
		t.Errorf("%s", out)
	}
	if text := must(t, "verify", "--size", "8", prior(t)); !strings.Contains(text, "certified") {
		t.Error(text)
	}
}

// TestPriorValue: R at f(y) is <y,f(y)> - 1/2||f(y)||^2 - psi(y).
func TestPriorValue(t *testing.T) {
	dir := t.TempDir()
	psi, err := testNet().On(operators.Shape{C: 1, H: 10, W: 9})
	if err != nil {
		t.Fatal(err)
	}
	y := picture(1, 10, 9, 8)
	x := picture(1, 10, 9, 8)
	want := -psi.Eval(x.Pix, y.Pix)
	for i := range x.Pix {
		want += float64(y.Pix[i])*float64(x.Pix[i]) - float64(x.Pix[i])*float64(x.Pix[i])/2
	}
	file := save(t, filepath.Join(dir, "x.npy"), x)
	v := asJSON[priorValue](t, must(t, "prior", "value", "--json", "--prior", prior(t), file))
	if !v.InRange || math.Abs(float64(v.Value)-want) > 1e-3*(1+math.Abs(want)) {
		t.Errorf("%+v, want %v", v, want)
	}
	if code, _, stderr := call(t, "prior", "valu", file); code != exitUsage || !strings.Contains(stderr, `did you mean "value"?`) {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// TestBuiltins: a built-in prior is chosen by channels and noise, or named.
func TestBuiltins(t *testing.T) {
	if got := asJSON[[]priorInfo](t, must(t, "priors", "--json")); len(got) != len(priors.All()) || got[0].Name != "colour-01" {
		t.Errorf("%+v", got)
	}
	dir := t.TempDir()
	y := save(t, filepath.Join(dir, "y.png"), picture(3, 12, 12, 8))
	r := asJSON[restored](t, must(t, "restore", "--json", "--noise", "0.3", "--iters", "2", y, "-o", filepath.Join(dir, "x.png")))
	if r.Prior != "colour-50" {
		t.Errorf("restored with %s", r.Prior)
	}
	if _, _, stderr := call(t, "info", "gray-2"); !strings.Contains(stderr, `did you mean "gray-25"?`) {
		t.Error(stderr)
	}
	if code, _, stderr := call(t, "restore", "--noise", "0.3", "--prior", "digits", y, "-o", filepath.Join(dir, "z.png")); code != exitFailed || !strings.Contains(stderr, "28x28") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

func TestPriors(t *testing.T) {
	if got := asJSON[[]priorInfo](t, must(t, "priors", "--json")); got == nil {
		t.Error("null; want an array")
	}
	info := asJSON[map[string]any](t, must(t, "info", "--json", prior(t)))
	if info["channels"] != 1.0 || info["sigma"] != 0.1 || info["parameters"].(float64) <= 0 {
		t.Errorf("%v", info)
	}
}

func TestHelpAndCompletion(t *testing.T) {
	app := newApp(nil, nil, nil)
	help := must(t, "help")
	for _, c := range app.VisibleCommands() {
		if !strings.Contains(help, c.Name) {
			t.Errorf("help does not name %s", c.Name)
		}
		for _, args := range [][]string{{"help", c.Name}, {c.Name, "--help"}} {
			if out := must(t, args...); !strings.Contains(out, c.Usage) {
				t.Errorf("%v: %s", args, out)
			}
		}
	}
	if out := must(t, "restore", "photo.png", "--iters", "3", "--help"); !strings.Contains(out, "--operator") {
		t.Errorf("restore photo.png --help: %s", out)
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		out := must(t, "completion", shell)
		for _, w := range []string{"restore", "degrade", "operator"} {
			if !strings.Contains(out, w) {
				t.Errorf("%s completion lacks %s", shell, w)
			}
		}
	}
	if out := must(t, "version"); !strings.HasPrefix(out, "lpn ") {
		t.Error(out)
	}
}
