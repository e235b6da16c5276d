package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/lpn-imaging/lpn"

// rooms lists, for every package of the module, the packages of the module
// that it may import: the table of docs/architecture.md. A pattern ending in
// /... stands for a package and those below it.
var rooms = map[string][]string{
	"internal/kernel":        {},
	"internal/arena":         {},
	"internal/npy":           {},
	"internal/atomicfile":    {},
	"internal/spell":         {},
	"internal/inorder":       {},
	"internal/unitrange":     {},
	"internal/scratch":       {},
	"internal/lanczos":       {"internal/kernel"},
	"internal/minimise":      {},
	"internal/fraction":      {},
	"internal/checkpoint":    {"internal/atomicfile"},
	"internal/network":       {"internal/kernel"},
	"internal/network/plain": {"internal/network"},
	"internal/onnx":          {"internal/network"},
	"internal/engine":        {"internal/arena", "internal/kernel", "internal/network"},
	"operators":              {"internal/fraction", "internal/kernel", "internal/lanczos", "internal/npy", "internal/scratch", "internal/spell"},
	"operators/operatortest": {"operators"},
	"solvers":                {"operators", "operators/noise", "solvers/metrics", "internal/kernel", "internal/minimise", "internal/scratch"},
	"solvers/metrics":        {"operators"},
	"solvers/proxtest":       {"solvers"},
	"lpn":                    {"internal/atomicfile", "internal/checkpoint", "internal/engine", "internal/kernel", "internal/lanczos", "internal/network", "internal/onnx", "internal/scratch", "operators", "solvers"},
	"internal/av1":           {},
	"internal/imageio":       {"internal/atomicfile", "internal/av1", "internal/inorder", "internal/npy", "operators"},
	"lpn/train":              {"internal/arena", "internal/checkpoint", "internal/fraction", "internal/imageio", "internal/kernel", "internal/network", "internal/unitrange", "operators", "operators/noise", "solvers", "solvers/metrics", "lpn"},
	"lpn/priors":             {"assets", "lpn"},
	"lpn/blind":              {"internal/kernel", "internal/minimise", "internal/npy", "operators", "operators/noise"},
	"lpn/restore":            {"internal/kernel", "internal/sysmem", "internal/unitrange", "lpn", "lpn/blind", "lpn/priors", "operators", "operators/noise", "solvers", "solvers/metrics"},
	"operators/noise":        {"internal/fraction", "internal/kernel", "internal/spell", "operators"},
	"internal/docstest":      {"operators"},
	"assets":                 {},
	"internal/sysmem":        {},
	"internal/archtest":      {},
	"internal/othertest":     {},
	"internal/goldentest":    {"internal/npy"},
	"lpn/explore":            {"internal/kernel", "internal/npy", "operators", "solvers", "lpn"},
	"internal/plot":          {"operators", "lpn/explore"},
	"internal/noisejudge":    {"internal/imageio", "internal/scenes", "operators", "operators/noise"},
	"internal/photos":        {"internal/imageio", "internal/scenes", "operators"},
	"internal/scenes":        {},
	"internal/blindjudge":    {"internal/imageio", "operators", "operators/noise", "lpn/blind", "lpn/priors", "lpn/restore"},
	"internal/scanjudge":     {"internal/imageio", "operators", "operators/noise", "solvers/metrics", "lpn/priors", "lpn/restore"},
	"internal/peerbench":     {"internal/checkpoint", "internal/kernel", "operators", "solvers", "lpn", "lpn/priors", "lpn/train"},
	"internal/measured":      {"internal/imageio", "lpn/blind", "lpn/explore", "lpn/priors", "lpn/restore", "operators", "operators/noise"},
	"internal/flags":         {"internal/atomicfile", "internal/imageio", "internal/measured", "internal/npy", "internal/spell", "internal/sysmem", "lpn/blind", "lpn/explore", "lpn/priors", "lpn/restore", "operators"},
	"lpn/serve":              {"internal/imageio", "internal/measured", "internal/plot", "internal/sysmem", "lpn", "lpn/explore", "lpn/priors", "lpn/restore", "operators", "operators/noise", "solvers"},
	"internal/page":          {},
	"internal/drawnpictures": {},
	"cmd/lpn":                {"..."},
}

// fences lists who may import a library directly, and who may reach it at all.
var fences = []struct {
	root          string // its import path
	direct, reach []string
}{
	{"gorgonia.org/gorgonia", []string{"lpn/train"}, []string{"lpn/train", "cmd/...", "internal/peerbench"}},
	{"gorgonia.org/tensor", []string{"lpn/train"}, []string{"lpn/train", "cmd/...", "internal/peerbench"}},
	{"github.com/urfave/cli/v2", []string{"cmd/..."}, []string{"cmd/..."}},
	{"gonum.org/v1/plot", []string{"cmd/...", "internal/plot"}, []string{"cmd/...", "internal/plot", "lpn/serve"}},
	// lpn/train and lpn/serve read photographs, so they reach these two through imageio.
	{"github.com/disintegration/imaging", []string{"internal/imageio", "cmd/..."}, []string{"internal/imageio", "internal/measured", "internal/flags", "internal/noisejudge", "internal/photos", "internal/blindjudge", "internal/scanjudge", "lpn/serve", "lpn/train", "cmd/...", "internal/peerbench"}},
	{"github.com/tetratelabs/wazero", []string{"internal/av1"}, []string{"internal/av1", "internal/imageio", "internal/measured", "internal/flags", "internal/noisejudge", "internal/photos", "internal/blindjudge", "internal/scanjudge", "lpn/serve", "lpn/train", "cmd/...", "internal/peerbench"}},
}

// A pkg is what go list says of a package.
type pkg struct {
	ImportPath    string
	Imports, Deps []string
	CgoFiles      []string
}

func (p pkg) name() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Deps,CgoFiles", module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var all []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// matches says whether a package of the module is among patterns.
func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if p == name || p == "..." {
			return true
		}
		dir, below := strings.CutSuffix(p, "/...")
		return below && (name == dir || strings.HasPrefix(name, dir+"/"))
	})
}

func TestImportsGoOneWay(t *testing.T) {
	for _, p := range list(t) {
		allowed, known := rooms[p.name()]
		if !known {
			t.Errorf("package %s is not in the table: add it here and in docs/architecture.md", p.name())
			continue
		}
		for _, i := range p.Imports {
			if in, ok := strings.CutPrefix(i, module+"/"); ok && !matches(allowed, in) {
				t.Errorf("%s imports %s", p.name(), in)
			}
		}
		if len(p.CgoFiles) > 0 {
			t.Errorf("%s uses cgo", p.name())
		}
	}
}

func TestLibrariesStayFenced(t *testing.T) {
	within := func(imp, root string) bool { return imp == root || strings.HasPrefix(imp, root+"/") }
	for _, p := range list(t) {
		for _, f := range fences {
			is := func(imp string) bool { return within(imp, f.root) }
			if slices.ContainsFunc(p.Imports, is) && !matches(f.direct, p.name()) {
				t.Errorf("%s imports %s", p.name(), f.root)
			}
			if slices.ContainsFunc(p.Deps, is) && !matches(f.reach, p.name()) {
				t.Errorf("%s depends on %s", p.name(), f.root)
			}
		}
		if p.name() == "assets" {
			for _, i := range p.Imports {
				if i != "embed" {
					t.Errorf("assets imports %s, want embed only", i)
				}
			}
		}
	}
}

// The command built with -tags small links neither the trainer, the page, what draws nor the decoder
// of AV1. It restores, and says what it cannot do.
func TestSmallCommand(t *testing.T) {
	out, err := exec.Command("go", "list", "-tags", "small", "-deps", module+"/cmd/lpn").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		path := strings.TrimSpace(line)
		if path == module+"/lpn/train" || path == module+"/lpn/serve" || path == module+"/internal/page" ||
			path == module+"/internal/av1" || strings.HasPrefix(path, "gorgonia.org/") || strings.HasPrefix(path, "gonum.org/v1/plot") {
			t.Errorf("it links %s", path)
		}
	}
	dir := t.TempDir()
	lpn := filepath.Join(dir, "lpn")
	if runtime.GOOS == "windows" {
		lpn += ".exe"
	}
	build := exec.Command("go", "build", "-tags", "small", "-trimpath", "-ldflags=-s -w -buildid=", "-o", lpn, module+"/cmd/lpn")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	info, err := os.Stat(lpn)
	if err != nil {
		t.Fatal(err)
	}
	if most := int64(32e6); info.Size() > most {
		t.Errorf("%d bytes, want at most %d", info.Size(), most)
	}
	image := filepath.Join("..", "..", "assets", "images", "still-life-gray.png")
	for _, c := range []struct{ args, says string }{
		{"restore --noise 15/255 " + image + " -o " + filepath.Join(dir, "clean.png"), "gray-15"},
		{"noise " + filepath.Join("..", "imageio", "testdata", "other", "yuv420.avif"), "an AVIF picture is not supported"},
		{"train --data .", "built without train (-tags small)"},
		{"explore", "built without explore (-tags small)"},
		{"psf " + image + " --plot " + filepath.Join(dir, "psf.png"), "built without drawings (-tags small)"},
	} {
		cmd := exec.Command(lpn, strings.Fields(c.args)...)
		cmd.Env = []string{"PATH="}
		out, err := cmd.CombinedOutput()
		if (err == nil) != strings.HasPrefix(c.args, "restore") || !strings.Contains(string(out), c.says) {
			t.Errorf("lpn %s: %v, %q, want %q in it", c.args, err, out, c.says)
		}
	}
}
