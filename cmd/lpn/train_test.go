package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/lpn/serve"
	"github.com/lpn-imaging/lpn/lpn/train"
)

// trainingSet is a folder of small pictures, one of them broken, and the
// description of a small network.
func trainingSet(t *testing.T) (dir, config string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	for i := range 5 {
		save(t, filepath.Join(dir, fmt.Sprintf("%d.png", i)), picture(1, 20+i, 22, 8))
	}
	os.WriteFile(filepath.Join(dir, "broken.png"), []byte("not a picture"), 0o666)
	text, err := json.Marshal(lpn.SoftplusAny(1, 4, 2, 0.1))
	if err != nil {
		t.Fatal(err)
	}
	config = filepath.Join(t.TempDir(), "net.json")
	if err := os.WriteFile(config, text, 0o666); err != nil {
		t.Fatal(err)
	}
	return dir, config
}

// TestTrain: a trained prior restores, the log has a row a validation, and
// the checkpoint is gone.
func TestTrain(t *testing.T) {
	data, config := trainingSet(t)
	dir := t.TempDir()
	out, log, curve := filepath.Join(dir, "p"+priorExt), filepath.Join(dir, "log.csv"), filepath.Join(dir, "curve.svg")
	code, stdout, stderr := call(t, "train", "--json", "--data", data, "--config", config, "--patch", "16", "--batch", "2", "--steps", "6", "--every", "3", "--log", log, "--pictures", "--plot", curve, "-o", out)
	if code != exitOK {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if !strings.Contains(stderr, "broken.png is left out") {
		t.Errorf("the broken picture was passed over in silence: %q", stderr)
	}
	if r := asJSON[trained](t, stdout); r.Steps != 6 || r.Parameters == 0 || r.PSNR < 1 {
		t.Errorf("%+v", r)
	}
	b, _ := os.ReadFile(log)
	if n := strings.Count(string(b), "\n"); n != 3 {
		t.Errorf("log of %d lines, want a head and 2 rows: %s", n, b)
	}
	// The page watches the log.
	folder, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	w := httptest.NewRecorder()
	serve.New(serve.Config{Folder: folder}).ServeHTTP(w, httptest.NewRequest("GET", "http://127.0.0.1:1234/api/v1/training?name=log.csv", nil))
	if seen := asJSON[serve.Training](t, w.Body.String()); seen.Rows != 2 || !slices.Equal(seen.Columns["step"], []float64{3, 6}) || len(seen.Columns["psnr"]) != 2 ||
		!slices.Equal(seen.Pictures, []serve.StepPicture{{Step: 3, File: "log-pictures/step-00000003.png"}, {Step: 6, File: "log-pictures/step-00000006.png"}}) {
		t.Errorf("the page sees %s", w.Body)
	}
	drawn, err := os.ReadFile(curve)
	if err != nil || !bytes.Contains(drawn, []byte("<svg")) || !bytes.Contains(drawn, []byte("held-back PSNR")) {
		t.Errorf("no learning curve: %v", err)
	}
	if p, err := imageio.Read(filepath.Join(dir, "log-pictures", "step-00000006.png")); err != nil || p.W < 3*16 || p.H < 16 {
		t.Errorf("no held-back pictures: %v", err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 4 {
		t.Errorf("left behind: %v", files)
	}
	info := asJSON[map[string]any](t, must(t, "info", "--json", out))
	if info["psnr"] == nil {
		t.Errorf("no validation PSNR in the prior: %v", info)
	}
	must(t, "restore", "--prior", out, "--noise", "0.1", "--iters", "2", filepath.Join(data, "0.png"), "-o", filepath.Join(dir, "x.png"))
}

// TestTrainDamp: the search finds no amplified wave in what --damp saves, and its PSNR is
// that of the file.
func TestTrainDamp(t *testing.T) {
	slow(t)
	data, _ := trainingSet(t)
	out := filepath.Join(t.TempDir(), "p"+priorExt)
	code, stdout, stderr := call(t, "train", "--json", "--preset", "quick", "--data", data, "--patch", "16", "--batch", "2", "--steps", "3", "--damp", "-o", out)
	if code != exitOK || !strings.Contains(stderr, "damped, validation ") {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	r := asJSON[trained](t, stdout)
	info := asJSON[struct {
		PSNR        number
		Certificate struct {
			Gain number `json:"stripe_gain"`
		}
		Record struct{ Damp bool }
	}](t, must(t, "info", "--json", out))
	if info.Certificate.Gain > 1 || !info.Record.Damp || math.Abs(float64(info.PSNR-r.PSNR)) > 1e-3 {
		t.Errorf("%+v, and %+v", info, r)
	}
}

// TestTrainResume: interrupted and resumed, training ends at the same bits.
func TestTrainResume(t *testing.T) {
	data, config := trainingSet(t)
	dir := t.TempDir()
	args := func(out string, more ...string) []string {
		return append([]string{"train", "--data", data, "--config", config, "--patch", "16", "--batch", "2", "--steps", "200", "--every", "50", "-o", out}, more...)
	}
	whole, parts := filepath.Join(dir, "whole"+priorExt), filepath.Join(dir, "parts"+priorExt)
	must(t, args(whole)...)
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(30*time.Millisecond, cancel) // somewhere on the way, or before the first step
	code, _, stderr := callWith(t, ctx, nil, args(parts)...)
	if code == exitOK {
		t.Skip("the training was done before it could be interrupted")
	}
	checkpoint := parts + ".checkpoint"
	if code != exitInterrupt || !strings.Contains(stderr, "--resume "+checkpoint) {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if code, _, stderr := call(t, args(parts)...); code != exitUsage || !strings.Contains(stderr, "continues it") {
		t.Errorf("a checkpoint would be overwritten: exit %d, %s", code, stderr)
	}
	if code, _, stderr := call(t, append(args(parts, "--resume", checkpoint), "--seed", "1")...); code == exitOK {
		t.Errorf("resumed with another seed: %s", stderr)
	}
	rest := filepath.Join(t.TempDir(), "rest.csv")
	must(t, args(parts, "--resume", checkpoint, "--log", rest)...)
	if rows, err := readLearning(rest); err != nil || len(rows) == 0 {
		t.Errorf("the log of the resumed training has %d rows: %v", len(rows), err)
	}
	sameWeights(t, whole, parts)
	a, b := recordIn(t, whole), recordIn(t, parts)
	if len(a.Curve) != 4 || !reflect.DeepEqual(a.Curve, b.Curve) {
		t.Errorf("other curves: %v and %v", a.Curve, b.Curve)
	}
}

// sameWeights compares the networks in two files, bit for bit.
func sameWeights(t *testing.T, a, b string) {
	t.Helper()
	x, err := lpn.Open(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := lpn.Open(b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(x.Params(), y.Params()) || !reflect.DeepEqual(x.Config(), y.Config()) {
		t.Errorf("%s and %s hold other weights", filepath.Base(a), filepath.Base(b))
	}
}

func recordIn(t *testing.T, path string) train.Record {
	t.Helper()
	net, err := lpn.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	r, complete, err := train.RecordOf(net)
	if err != nil || !complete {
		t.Fatalf("%s: no record: %v", path, err)
	}
	return r
}

func TestTrainBadInput(t *testing.T) {
	data, config := trainingSet(t)
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.json")
	os.WriteFile(bad, []byte(`{"channels": 0}`), 0o666)
	exists := filepath.Join(dir, "exists"+priorExt)
	os.WriteFile(exists, nil, 0o666)
	for _, c := range []struct {
		args, want string
		code       int
	}{
		{"--data DATA", "wants -o", 2},
		{"-o OUT", "wants --data", 2},
		{"--data DIR/absent -o OUT", "absent", 2},
		{"--data DATA -o EXISTS", "exists: --force", 2},
		{"--data DATA -o OUT --arch pyramd", `did you mean "pyramid"?`, 2},
		{"--data DATA -o OUT --sigma 0", "--sigma", 2},
		{"--data DATA -o OUT --channels 2", "--channels: 2", 2},
		{"--data DATA -o OUT --config DIR/absent.json", "absent.json", 2},
		{"--data DATA -o OUT --config BAD", "bad.json: channels is 0", 2},
		{"--data DATA -o OUT --config CONFIG --arch mnist", "exclude each other", 2},
		{"--data DATA -o OUT --plan l2", "--plan", 2},
		{"--data DATA -o OUT --plan l2:3@1e-3 --steps 3", "leave out", 2},
		{"--data DATA -o OUT --resume DIR/absent", "absent", 2},
		{"--data DATA -o OUT --config CONFIG --patch 500", "smaller than a patch", 1},
		{"--data DATA -o OUT extra", "flags only", 2},
	} {
		args := []string{"train"}
		for _, a := range strings.Fields(c.args) {
			args = append(args, strings.NewReplacer("DATA", data, "DIR", dir, "OUT", filepath.Join(dir, "p"+priorExt),
				"EXISTS", exists, "BAD", bad, "CONFIG", config).Replace(a))
		}
		code, _, stderr := call(t, args...)
		if code != c.code || !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("lpn train %s: exit %d, %q; want %d and %q", c.args, code, stderr, c.code, c.want)
		}
	}
}
