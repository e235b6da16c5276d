//go:build !small

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/lpn/train"
	"github.com/lpn-imaging/lpn/operators"
)

// smallNet writes the description of a small network that has its channels from the data:
// none does, so the tests name them.
func smallNet(t *testing.T, channels int) string {
	t.Helper()
	text, err := json.Marshal(lpn.SoftplusAny(channels, 4, 2, 0.1))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "net.json")
	if err := os.WriteFile(path, text, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// pages are n gray pictures, samples times k.
func pages(n, h, w int, k float32) []operators.Image {
	var all []operators.Image
	for i := range n {
		x := picture(1, h, w, 8).Image.Clone()
		for j := range x.Pix {
			x.Pix[j] = k * (x.Pix[j]*0.8 + 0.2*float32((i*7+j)%11)/11)
		}
		all = append(all, x)
	}
	return all
}

// TestTrainCounts: a stack of float64 counts trains to a prior of pictures from black to
// white, says so, and restore of another count picture goes by the range in the file.
func TestTrainCounts(t *testing.T) {
	dir := t.TempDir()
	var data []float32
	for _, p := range pages(6, 24, 20, 4000) {
		data = append(data, p.Pix...)
	}
	stack := filepath.Join(dir, "counts.npy")
	writeFloat64(t, stack, []int{6, 24, 20}, data)
	out := filepath.Join(dir, "p"+priorExt)
	code, _, stderr := call(t, "train", "--data", stack, "--config", smallNet(t, 1), "--patch", "16", "--batch", "2", "--steps", "4", "--every", "4", "-o", out)
	if code != exitOK || !strings.Contains(stderr, "black is") || !strings.Contains(stderr, "5 pictures to train on, 1 to validate on") {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	r := recordIn(t, out)
	if r.PSNR < 5 || r.Data.Range == "" || r.Data.Training != 5 || len(r.Data.Hash) != 64 {
		t.Errorf("record: %+v", r)
	}
	net, _ := lpn.Open(out)
	lo, hi, ok := net.Range()
	if !ok || lo < 0 || lo > 400 || hi < 3000 || hi > 4000 {
		t.Errorf("range %v to %v, %v", lo, hi, ok)
	}
	// A dark picture alone would be stretched over its own range.
	dark := pages(1, 24, 20, 1500)[0]
	in := filepath.Join(dir, "dark.npy")
	if err := imageio.WriteArray(in, &imageio.Array{Shape: []int{24, 20}, Data: dark.Pix}); err != nil {
		t.Fatal(err)
	}
	restored := filepath.Join(dir, "x.npy")
	must(t, "restore", "--prior", out, "--noise", "50", "--iters", "1", in, "-o", restored)
	given := filepath.Join(dir, "y.npy")
	must(t, "restore", "--prior", out, "--noise", "50", "--iters", "1", "--range", fmt.Sprintf("%v:%v", lo, hi), in, "-o", given)
	if a, b := load(t, restored), load(t, given); !closeTo(a.Pix, b.Pix, 1e-3) {
		t.Error("restore did not take the range of the prior")
	}
	// Numbers of another kind are said to be.
	other := filepath.Join(dir, "other.png")
	save(t, other, picture(1, 24, 20, 8))
	if _, _, stderr := call(t, "restore", "--prior", out, "--noise", "0.1", "--iters", "1", other, "-o", filepath.Join(dir, "z.png")); !strings.Contains(stderr, "not those of the prior") {
		t.Errorf("an 8-bit picture went through a prior of counts without a remark: %s", stderr)
	}
}

func closeTo(a, b []float32, relative float64) bool {
	if len(a) != len(b) {
		return false
	}
	for i, v := range a {
		if math.Abs(float64(v-b[i])) > relative*(1+math.Abs(float64(b[i]))) {
			return false
		}
	}
	return true
}

// listening is a console, and what is said on it.
func listening() (*console, *bytes.Buffer) {
	var said bytes.Buffer
	return &console{out: io.Discard, err: &said}, &said
}

// writeFloat64 writes an array of float64.
func writeFloat64(t *testing.T, path string, shape []int, data []float32) {
	t.Helper()
	head := fmt.Sprintf("{'descr': '<f8', 'fortran_order': False, 'shape': (%s,), }", strings.Trim(strings.ReplaceAll(fmt.Sprint(shape), " ", ", "), "[]"))
	head += strings.Repeat(" ", 63-(10+len(head))%64) + "\n"
	b := append([]byte("\x93NUMPY\x01\x00"), byte(len(head)), byte(len(head)>>8))
	b = append(b, head...)
	for _, v := range data {
		bits := math.Float64bits(float64(v))
		for k := range 8 {
			b = append(b, byte(bits>>(8*k)))
		}
	}
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestTrainColour: colour pictures make a colour prior, and say so; a gray prior of
// them is remarked on.
func TestTrainColour(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	for i := range 4 {
		save(t, filepath.Join(dir, fmt.Sprintf("%d.png", i)), picture(3, 20+i, 22, 8))
	}
	check := must(t, "train", "--check", dir, "--patch", "16", "--json")
	if c := asJSON[train.Check](t, check); c.Channels != 3 || c.Colour != 4 || c.Kept != 4 {
		t.Errorf("%+v", c)
	}
	o := trainOptions{data: dir, arch: "pyramid", patch: 16, batch: 2, split: "picture", every: 1}
	con, said := listening()
	to, _, err := o.options(con)
	if err != nil || to.Config.Channels != 3 || !strings.Contains(said.String(), "a colour prior: 4 of 4") {
		t.Errorf("channels %d, error %v, %q", to.Config.Channels, err, said)
	}
	o.channels = 1
	con, said = listening()
	if to, _, err = o.options(con); err != nil || to.Config.Channels != 1 || !strings.Contains(said.String(), "4 of 4 pictures are in colour") {
		t.Errorf("channels %d, error %v, %q", to.Config.Channels, err, said)
	}
}

// TestTrainPages: all pages of a TIFF count, 16-bit stacks are read, and a split by file
// keeps the pages of one together.
func TestTrainPages(t *testing.T) {
	dir := t.TempDir()
	for f := range 3 {
		all := pages(7, 20, 24, 1)
		err := imageio.WritePages(filepath.Join(dir, fmt.Sprintf("%d.tif", f)), len(all), func(yield func(*imageio.Picture, error) bool) {
			for i, x := range all {
				x.Pix[0] = float32(f*8+i) / 64
				if !yield(&imageio.Picture{Image: x, Bits: 16}, nil) {
					return
				}
			}
		}, imageio.Options{})
		if err != nil {
			t.Fatal(err)
		}
	}
	for split, want := range map[string]string{"picture": "20 pictures to train on, 1 to", "file": "14 pictures to train on, 7 to"} {
		o := trainOptions{data: dir, arch: "pyramid", patch: 16, batch: 2, split: split, every: 1}
		con, said := listening()
		if _, _, err := o.options(con); err != nil || !strings.Contains(said.String(), want) {
			t.Errorf("%s: %v, %q", split, err, said)
		}
	}
}

// TestTrainAgain: --from-record makes the same weights from the record in the file, and
// the record says what was asked for.
func TestTrainAgain(t *testing.T) {
	data, config := trainingSet(t)
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"+priorExt), filepath.Join(dir, "b"+priorExt)
	must(t, "train", "--data", data, "--config", config, "--patch", "16", "--batch", "2", "--steps", "5", "--every", "2", "--seed", "3",
		"--noisy", "0.05", "--licence", "CC0", "--note", "a test's", "-o", a)
	os.Remove(config)
	must(t, "train", "--from-record", a, "-o", b)
	sameWeights(t, a, b)
	r := recordIn(t, a)
	if r.Licence != "CC0" || r.Note != "a test's" || r.Seed != 3 || len(r.Curve) != 3 || !strings.Contains(r.Command, "--noisy 0.05") || len(r.Data.Noise) == 0 {
		t.Errorf("record: %+v", r)
	}
	first, err := filepath.Glob(filepath.Join(data, "*.png"))
	if err != nil || len(first) == 0 {
		t.Fatal(first, err)
	}
	save(t, first[0], picture(1, 40, 33, 8))
	if _, _, stderr := call(t, "train", "--from-record", a, "-o", filepath.Join(dir, "d"+priorExt)); !strings.Contains(stderr, "not those of the record") {
		t.Errorf("other pictures: %s", stderr)
	}
	if code, _, stderr := call(t, "train", "--from-record", a, "--steps", "7", "-o", filepath.Join(dir, "c")); code != exitUsage || !strings.Contains(stderr, "leave out --steps") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	text := must(t, "info", a)
	for _, want := range []string{"plan ", "data SHA-256 ", r.Data.Hash, "licence ", "CC0", "command ", "5 steps, seed 3"} {
		if !strings.Contains(text, want) {
			t.Errorf("info does not say %q:\n%s", want, text)
		}
	}
	if info := asJSON[struct{ Record train.Record }](t, must(t, "info", "--json", a)); info.Record.Data.Hash != r.Data.Hash {
		t.Errorf("info --json: %+v", info)
	}
	card := must(t, "info", "--card", a)
	if !strings.HasPrefix(card, "# a\n") || !strings.Contains(card, "| licence | CC0 |") {
		t.Errorf("card: %s", card)
	}
}

// TestTrainNoisyMistakes: exposures that do not belong together and noise that is not of
// all pictures are refused; a result worse than its input is said to be, in JSON too.
func TestTrainNoisyMistakes(t *testing.T) {
	dir := t.TempDir()
	a, b, config := filepath.Join(dir, "a"), filepath.Join(dir, "b"), smallNet(t, 1)
	for i, p := range pages(3, 24, 20, 1) {
		for _, to := range []string{a, b} {
			save(t, filepath.Join(to, fmt.Sprintf("%d.png", i)), &imageio.Picture{Image: p, Bits: 8})
		}
	}
	train := func(flags ...string) (int, string) {
		code, _, stderr := call(t, slices.Concat([]string{"train", "--data", a, "--config", config, "--patch", "16", "--batch", "2", "--steps", "1",
			"--lr", "1e-4", "--every", "1", "--json", "--force", "-o", filepath.Join(dir, "p"+priorExt)}, flags)...)
		return code, stderr
	}
	if code, said := train(); code != exitOK || !strings.Contains(said, "worse than doing nothing") {
		t.Errorf("one step: exit %d: %s", code, said)
	}
	save(t, filepath.Join(b, "1.png"), picture(1, 20, 24, 8))
	refused := func(want string, flags ...string) {
		t.Helper()
		if code, said := train(flags...); code != exitUsage || !strings.Contains(said, want) {
			t.Errorf("%v: exit %d: %s", flags, code, said)
		}
	}
	refused("want one size", "--pairs", b)
	save(t, filepath.Join(b, "1.png"), picture(1, 8, 8, 8))
	refused("want one for each", "--pairs", b)
	deviation := filepath.Join(dir, "deviation.npy")
	if err := imageio.WriteArray(deviation, &imageio.Array{Shape: []int{24, 20}, Data: make([]float32, 480)}); err != nil {
		t.Fatal(err)
	}
	refused("a map is of one picture", "--noisy", "map:"+deviation)
	save(t, filepath.Join(a, "2.png"), picture(1, 8, 8, 8))
	refused("pairs go by their order", "--pairs", b)
}

// TestTrainCheck: what is wrong with pictures is counted, and drawn.
func TestTrainCheck(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 3 {
		save(t, filepath.Join(data, fmt.Sprintf("%d.png", i)), picture(1, 40+i, 64, 8))
	}
	save(t, filepath.Join(data, "again.png"), picture(1, 40, 64, 8))
	flat := picture(1, 40, 40, 8)
	noisy := picture(1, 64, 64, 8)
	for i := range flat.Pix {
		flat.Pix[i] = 0.5
	}
	for i := range noisy.Pix {
		noisy.Pix[i] = float32(0.5 + 0.08*rng.NormFloat64())
	}
	save(t, filepath.Join(data, "flat.png"), flat)
	save(t, filepath.Join(data, "noisy.png"), noisy)
	save(t, filepath.Join(data, "tiny.png"), picture(1, 8, 8, 8))
	os.WriteFile(filepath.Join(data, "broken.png"), []byte("?"), 0o666)
	sheet := filepath.Join(dir, "sheet.png")
	c := asJSON[train.Check](t, must(t, "train", "--check", data, "--patch", "16", "--json", "-o", sheet))
	got := map[string]int{}
	for _, f := range c.Findings {
		got[f.Kind] = f.Count
	}
	for _, kind := range []string{train.FlawDuplicate, train.FlawFlat, train.FlawNoisy, train.FlawTiny, train.FlawUnreadable} {
		if got[kind] != 1 {
			t.Errorf("%s: %d, want 1: %+v", kind, got[kind], c.Findings)
		}
	}
	if c.Pictures != 8 || c.Kept != 4 {
		t.Errorf("%d pictures, %d kept; want 8 and 4", c.Pictures, c.Kept)
	}
	if p := load(t, sheet); p.W < 200 {
		t.Errorf("a contact sheet of %v", p.Shape)
	}
	if text := must(t, "train", "--check", data, "--patch", "16"); !strings.Contains(text, "FOUND") {
		t.Errorf("no table: %s", text)
	}
}

// TestTrainStart: --start alone trains the network of the prior, at its noise level, from
// its weights.
func TestTrainStart(t *testing.T) {
	data, config := trainingSet(t)
	first := filepath.Join(t.TempDir(), "first"+priorExt)
	must(t, "train", "--data", data, "--config", config, "--patch", "16", "--batch", "2", "--steps", "2", "-o", first)
	o := trainOptions{data: data, start: first, patch: 16, split: "picture", every: 1}
	con, _ := listening()
	to, r, err := o.options(con)
	if err != nil {
		t.Fatal(err)
	}
	net, err := lpn.Open(first)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(to.Config, net.Config()) || to.Start == nil || to.Plan.Steps() != tuneSteps || r.Recipe.From != first {
		t.Errorf("config %+v, %d steps from %q", to.Config, to.Plan.Steps(), r.Recipe.From)
	}
	o.noisy = "0.3"
	if _, _, err := o.options(con); err != nil || o.sigma != 0 {
		t.Errorf("noise above the prior's level makes a prior of that level: %v", err)
	}
	o.sigma = 0.1
	if _, _, err := o.options(con); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("noise of 0.3 for a prior of 0.1: %v", err)
	}
}
