package main

import (
	"bytes"
	"embed"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/klauspost/cpuid/v2"
	"github.com/urfave/cli/v2"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/internal/sysmem"
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/operators"
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "check that every set of vector instructions of this machine computes the right numbers",
		Description: "Evaluates two small networks and solves a Fourier problem with every set of instructions that\n" +
			"the processor has, and compares the results with stored numbers. The exit status is 1 if one is\n" +
			"wrong. The environment variable LPN_CPU=generic, neon, avx2 or avx512 restricts the instructions.\n\n" +
			"Examples:\n" +
			"lpn doctor\n" +
			"lpn doctor --json",
		Flags: common(),
		Action: action(func(c *cli.Context, con *console) error {
			if err := wantArgs(c, 0, "no arguments"); err != nil {
				return err
			}
			return runDoctor(con)
		}),
	}
}

// A diagnosis is what lpn doctor finds.
type diagnosis struct {
	OK       bool          `json:"ok"`
	Version  string        `json:"version"`
	Go       string        `json:"go"`
	Platform string        `json:"platform"`
	CPU      cpuReport     `json:"cpu"`
	Kernels  string        `json:"kernels"`
	Memory   sysmem.Report `json:"memory"`
	Priors   []string      `json:"priors"`
	// PriorsError says why the built-in priors cannot be read.
	PriorsError string         `json:"priors_error,omitempty"`
	Modules     []moduleReport `json:"modules"`
	Tests       []selfTest     `json:"tests"`
	Seconds     number         `json:"seconds"`
}

type cpuReport struct {
	Model    string   `json:"model"`
	Cores    int      `json:"cores"`   // that the system has
	Threads  int      `json:"threads"` // that the program uses
	Features []string `json:"features"`
}

type moduleReport struct {
	Path    string `json:"path"`
	Version string `json:"version"`
}

// A selfTest is one computation with one set of instructions.
type selfTest struct {
	Name    string `json:"name"`
	Kernels string `json:"kernels"`
	// Error is the distance from the stored numbers, relative to their norm.
	Error     number `json:"error"`
	Tolerance number `json:"tolerance"`
	OK        bool   `json:"ok"`
	Problem   string `json:"problem,omitempty"`
}

func runDoctor(con *console) error {
	start := time.Now()
	d := diagnosis{Version: version(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		CPU: cpuInUse(), Kernels: kernel.CPU().String(), Memory: sysmem.Available(), Priors: []string{}, Modules: modules()}
	var err error
	for _, p := range priors.All() {
		if _, bad := p.Network(); bad != nil {
			err, d.PriorsError = bad, bad.Error()
		}
		d.Priors = append(d.Priors, p.Name)
	}
	d.Tests = selfTests()
	d.OK = err == nil && !slices.ContainsFunc(d.Tests, func(t selfTest) bool { return !t.OK })
	d.Seconds = number(time.Since(start).Seconds())
	if con.json {
		err = con.printJSON(d)
	} else {
		err = d.print(con)
	}
	if err == nil && !d.OK {
		err = fmt.Errorf("the self-test failed: results on this machine are not to be trusted")
		if d.PriorsError != "" {
			err = fmt.Errorf("%s", d.PriorsError)
		}
	}
	return err
}

func cpuInUse() cpuReport {
	c := cpuReport{Model: cpuid.CPU.BrandName, Cores: runtime.NumCPU(), Threads: runtime.GOMAXPROCS(0), Features: []string{}}
	// Those that the kernels ask for, and what is between.
	for _, f := range []cpuid.FeatureID{cpuid.SSE4, cpuid.AVX, cpuid.AVX2, cpuid.FMA3, cpuid.F16C,
		cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL, cpuid.ASIMD, cpuid.SVE} {
		if cpuid.CPU.Has(f) {
			c.Features = append(c.Features, f.String())
		}
	}
	return c
}

// modules are the libraries that the program was built with.
func modules() []moduleReport {
	all := []moduleReport{}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return all
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		all = append(all, moduleReport{m.Path, m.Version})
	}
	return all
}

func (d diagnosis) print(con *console) error {
	w := tabwriter.NewWriter(con.out, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(w, name+"\t"+format+"\n", args...) }
	line("lpn", "%s, %s, %s", d.Version, d.Go, d.Platform)
	line("processor", "%s, %d cores, %d in use", orUnknown(d.CPU.Model), d.CPU.Cores, d.CPU.Threads)
	line("instructions", "%s", orUnknown(strings.Join(d.CPU.Features, " ")))
	line("kernels", "%s", d.Kernels)
	if d.Memory.Source == "" {
		line("memory", "unknown")
	} else {
		line("memory", "%s available (%s)", sysmem.FormatSize(d.Memory.Available), d.Memory.Source)
	}
	if d.PriorsError != "" {
		line("priors", "%s", d.PriorsError)
	} else {
		line("priors", "%s", orUnknown(strings.Join(d.Priors, ", ")))
	}
	line("libraries", "%d (lpn doctor --json lists them)", len(d.Modules))
	for _, t := range d.Tests {
		verdict := "ok"
		if !t.OK {
			verdict = "WRONG"
		}
		if t.Problem != "" {
			line("self-test", "%s, %s: %s: %s", t.Name, t.Kernels, verdict, t.Problem)
			continue
		}
		line("self-test", "%s, %s: %s (error %.1e, at most %.0e)", t.Name, t.Kernels, verdict, t.Error, t.Tolerance)
	}
	return w.Flush()
}

func orUnknown(s string) string {
	if s == "" {
		return "none known"
	}
	return s
}

// selfTestFiles holds two networks, NAME.safetensors, and for each NAME.npy:
// f of selfTestPicture, then psi, computed without vector instructions and
// without the Winograd algorithm.
//
//go:embed selftest
var selfTestFiles embed.FS

var selfTestNames = []string{"pyramid", "softplus"}

// selfTestTolerance bounds the relative error. Rounding leaves about 1e-6, the
// Winograd algorithm a few times that; a wrong instruction leaves far more.
const selfTestTolerance = 3e-5

// selfTestPicture is a pattern of exact binary fractions.
func selfTestPicture() operators.Image {
	m := operators.NewImage(operators.Shape{C: 1, H: 44, W: 52})
	for y := range m.H {
		for x := range m.W {
			v := (5*x + 3*y + (x*y)%17 + (x/13+y/11)%2*64) % 128
			m.Pix[y*m.W+x] = float32(v) / 128
		}
	}
	return m
}

// selfTests runs every test with every set of instructions up to the one in
// use.
func selfTests() []selfTest {
	var all []selfTest
	for _, level := range slices.Backward(kernel.Levels()) {
		restore := kernel.SetLevel(level)
		for _, name := range selfTestNames {
			all = append(all, judge(name, level, func() ([]float32, []float32, error) { return networkTest(name) }))
		}
		all = append(all, judge("fourier", level, fourierTest))
		restore()
	}
	return all
}

// judge compares what a test computes with what it wants.
func judge(name string, level kernel.Level, test func() (got, want []float32, err error)) (t selfTest) {
	t = selfTest{Name: name, Kernels: level.String(), Tolerance: selfTestTolerance}
	defer func() {
		if r := recover(); r != nil {
			t.OK, t.Problem = false, fmt.Sprint(r)
		}
	}()
	got, want, err := test()
	if err != nil {
		t.Problem = err.Error()
		return t
	}
	var d, n float64
	for i, w := range want {
		e := float64(got[i]) - float64(w)
		d += e * e
		n += float64(w) * float64(w)
	}
	t.Error = number(math.Sqrt(d / n))
	t.OK = t.Error <= t.Tolerance // false for NaN
	return t
}

// networkTest evaluates a stored network on the stored picture.
func networkTest(name string, opts ...lpn.Option) (got, want []float32, err error) {
	weights, err := selfTestFiles.ReadFile("selftest/" + name + priorExt)
	if err != nil {
		return nil, nil, err
	}
	net, err := lpn.Read(bytes.NewReader(weights), int64(len(weights)))
	if err != nil {
		return nil, nil, err
	}
	golden, err := selfTestFiles.ReadFile("selftest/" + name + ".npy")
	if err != nil {
		return nil, nil, err
	}
	a, err := imageio.DecodeArray(bytes.NewReader(golden))
	if err != nil {
		return nil, nil, err
	}
	y := selfTestPicture()
	b, err := net.On(y.Shape, opts...)
	if err != nil {
		return nil, nil, err
	}
	n := len(y.Pix)
	if len(a.Data) != n+1 {
		return nil, nil, fmt.Errorf("%d stored numbers, want %d", len(a.Data), n+1)
	}
	got, want = make([]float32, n+1), a.Data
	// psi is a sum over the picture: as it is, it would outweigh f.
	got[n] = float32(b.Eval(got[:n], y.Pix)) / want[n]
	want[n] = 1
	return got, want, nil
}

// fourierTest solves (A'A + I/10) x = b, A a blur, for b made from a known x.
func fourierTest() (got, want []float32, err error) {
	spec, err := operators.ParseSpec("blur:motion,length=9,angle=30")
	if err != nil {
		return nil, nil, err
	}
	x := selfTestPicture()
	a, err := spec.WithBoundary(operators.Circular).Build(x.Shape)
	if err != nil {
		return nil, nil, err
	}
	s, ok := a.(operators.NormalSolver)
	if !ok {
		return nil, nil, fmt.Errorf("a circular blur is not solved by Fourier transforms")
	}
	const rho = 0.1
	ax, b := make([]float32, len(x.Pix)), make([]float32, len(x.Pix))
	a.Apply(ax, x.Pix)
	a.Adjoint(b, ax)
	for i, v := range x.Pix {
		b[i] += rho * v
	}
	s.SolveNormal(b, b, rho)
	return b, x.Pix, nil
}
