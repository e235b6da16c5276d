package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lpn-imaging/lpn/internal/checkpoint"
	"golang.org/x/sys/unix"
)

// TestMain lets the test binary be the program, for tests that kill it.
func TestMain(m *testing.M) {
	if os.Getenv("LPN_TEST_AS_PROGRAM") == "1" {
		main()
	}
	os.Exit(m.Run())
}

// program is the program as a process of its own.
func program(t *testing.T, args ...string) (cmd *exec.Cmd, stderr *bytes.Buffer) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Skip(err)
	}
	cmd = exec.Command(self, args...)
	cmd.Env = append(os.Environ(), "LPN_TEST_AS_PROGRAM=1")
	stderr = &bytes.Buffer{}
	cmd.Stderr = stderr
	t.Cleanup(func() {
		if cmd.Process != nil && cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	return cmd, stderr
}

func exitCode(err error) int {
	var e *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return e.ExitCode()
	}
	return -2
}

// smallDisk is a file system of its own, removed after the test; it skips
// where the test may not mount one.
func smallDisk(t *testing.T, options string, flags uintptr) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", flags, options); err != nil {
		t.Skipf("mounting: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, 0) })
	return dir
}

// noTemporary wants no half-written file in dir.
func noTemporary(t *testing.T, dir string) {
	t.Helper()
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".tmp") {
			t.Errorf("%s is left", path)
		}
		return nil
	})
}

func TestFullDisk(t *testing.T) {
	data, config := trainingSet(t)
	in := t.TempDir()
	noise := picture(1, 200, 200, 16) // 80 kB that no compression shrinks
	for i := range noise.Pix {
		noise.Pix[i] = float32(uint16(i*40503+i*i*17)) / 65535
	}
	large := save(t, filepath.Join(in, "large.png"), noise)
	save(t, filepath.Join(in, "small.png"), picture(1, 8, 8, 8))
	full := func(code int, stderr, file string) {
		t.Helper()
		if want := "lpn: " + file + ": no space left on device\n"; code != exitFailed || stderr != want {
			t.Errorf("exit %d: %q; want %q", code, stderr, want)
		}
	}
	// What is written to a device goes there directly.
	for _, format := range []string{"png", "npy", "tiff", "jpeg"} {
		code, _, stderr := call(t, "degrade", large, "--force", "--format", format, "-o", "/dev/full")
		full(code, stderr, "/dev/full")
	}
	disk := smallDisk(t, "size=64k", 0)
	at := func(name string) string { return filepath.Join(disk, name) }
	for _, name := range []string{"x.png", "x.tif", "x.npy"} {
		code, _, stderr := call(t, "degrade", large, "-o", at(name))
		full(code, stderr, at(name))
	}
	code, _, stderr := call(t, "degrade", "--operator", "cs:ratio=0.9", large, "-o", at("y.npz"))
	full(code, stderr, at("y.npz"))
	code, _, stderr = call(t, "import", "--sigma", "0.1", filepath.Join("..", "..", "lpn", "testdata", "absent.pt"), "-o", at("p"+priorExt))
	if code != exitUsage {
		t.Errorf("exit %d: %s", code, stderr)
	}
	// In a batch the others are written.
	code, _, stderr = call(t, "degrade", in, "-o", at("batch"))
	if code != exitPartly || !strings.Contains(stderr, at("batch/large.png")+": no space left on device\n") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	load(t, at("batch/small.png"))
	noTemporary(t, disk)
	// What exists stays as it was when what replaces it does not fit.
	if err := os.WriteFile(at("old.png"), []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	code, _, stderr = call(t, "degrade", "--force", large, "-o", at("old.png"))
	full(code, stderr, at("old.png"))
	if b, _ := os.ReadFile(at("old.png")); string(b) != "old" {
		t.Errorf("the old file now holds %q", b)
	}
	// Training: the checkpoint before the one that did not fit is whole.
	os.WriteFile(at("ballast"), make([]byte, 64<<10), 0o666) // as much as fits
	args := []string{"train", "--quiet", "--data", data, "--config", config, "--patch", "16", "--batch", "2", "--steps", "4", "--every", "2",
		"--checkpoint", at("c"), "-o", filepath.Join(t.TempDir(), "p"+priorExt)}
	code, _, stderr = call(t, args...)
	if want := "lpn: " + at("c") + ": cannot be written: no space left on device\n"; code != exitFailed || stderr != want {
		t.Errorf("exit %d: %q; want %q", code, stderr, want)
	}
	noTemporary(t, disk)
	os.Remove(at("ballast"))
	if _, err := os.Stat(at("c")); err == nil {
		if _, _, err := checkpoint.ReadFile(at("c")); err != nil {
			t.Error(err)
		}
	}
}

func TestReadOnlyFolder(t *testing.T) {
	in := save(t, filepath.Join(t.TempDir(), "a.png"), picture(1, 8, 8, 8))
	disk := smallDisk(t, "size=64k", 0)
	if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Skip(err)
	}
	for name, want := range map[string]string{
		"x.png":     "x.png: cannot be written: read-only file system",
		"sub/x.png": "sub: read-only file system",
	} {
		code, _, stderr := call(t, "degrade", in, "-o", filepath.Join(disk, name))
		if want = "lpn: " + filepath.Join(disk, want) + "\n"; code != exitFailed || stderr != want {
			t.Errorf("exit %d: %q; want %q", code, stderr, want)
		}
	}
}

// TestNoPermission writes where this user may not.
func TestNoPermission(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write anywhere")
	}
	dir := t.TempDir()
	in := save(t, filepath.Join(dir, "a.png"), picture(1, 8, 8, 8))
	locked := filepath.Join(dir, "locked")
	os.Mkdir(locked, 0o555)
	code, _, stderr := call(t, "degrade", in, "-o", filepath.Join(locked, "x.png"))
	if want := "lpn: " + filepath.Join(locked, "x.png") + ": cannot be written: permission denied\n"; code != exitFailed || stderr != want {
		t.Errorf("exit %d: %q; want %q", code, stderr, want)
	}
}

// pausing is a folder of three pictures, the second of which is a pipe: a
// batch waits there until resume writes it.
func pausing(t *testing.T) (dir string, resume func() error) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "in")
	for _, n := range []string{"a.png", "b.png", "c.png"} {
		save(t, filepath.Join(dir, n), picture(1, 16, 12, 8))
	}
	b := filepath.Join(dir, "b.png")
	data, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(b)
	if err := syscall.Mkfifo(b, 0o666); err != nil {
		t.Skip(err)
	}
	return dir, func() error { return os.WriteFile(b, data, 0) }
}

// wait waits for a condition.
func wait(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !cond(); {
		if time.Now().After(end) {
			t.Fatalf("waited too long for %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func exists(path string) func() bool {
	return func() bool { _, err := os.Stat(path); return err == nil }
}

// TestOutputFolderDeleted: under a batch the output folder disappears. It is
// made anew, and what was lost is named.
func TestOutputFolderDeleted(t *testing.T) {
	in, resume := pausing(t)
	out := filepath.Join(t.TempDir(), "out")
	done := make(chan string, 1)
	var code int
	go func() {
		var stderr string
		code, _, stderr = call(t, "degrade", in, "-o", out)
		done <- stderr
	}()
	wait(t, "the first output", exists(filepath.Join(out, "a.png")))
	os.RemoveAll(out)
	if err := resume(); err != nil {
		t.Fatal(err)
	}
	stderr := <-done
	want := "lpn: " + filepath.Join(out, "a.png") + ": was written, but something else has removed it\nlpn: 1 of 3 inputs failed\n"
	if code != exitPartly || stderr != want {
		t.Errorf("exit %d: %q; want %q", code, stderr, want)
	}
	load(t, filepath.Join(out, "b.png"))
	load(t, filepath.Join(out, "c.png"))
}

// TestKilledBatch: what kill -9 leaves of a batch is whole, and
// --skip-existing does the rest.
func TestKilledBatch(t *testing.T) {
	in, _ := pausing(t)
	pr, out := prior(t), filepath.Join(t.TempDir(), "out")
	args := []string{"restore", "--prior", pr, "--noise", "0.1", "--iters", "2", "--skip-existing", in, "-o", out}
	cmd, _ := program(t, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	wait(t, "the first output", exists(filepath.Join(out, "a.png")))
	cmd.Process.Kill()
	cmd.Wait()
	first, _ := os.ReadFile(filepath.Join(out, "a.png"))
	load(t, filepath.Join(out, "a.png"))
	written := 1
	if exists(filepath.Join(out, "c.png"))() { // at the same time
		written++
	}
	os.Remove(filepath.Join(in, "b.png"))
	save(t, filepath.Join(in, "b.png"), picture(1, 16, 12, 8))
	code, stdout, stderr := call(t, append(args, "--json")...)
	r := asJSON[struct{ Results []restored }](t, stdout)
	if code != exitOK || len(r.Results) != 3-written || stderr != fmt.Sprintf("lpn: %d of 3 skipped: their outputs exist\n", written) {
		t.Errorf("exit %d, %d results: %q", code, len(r.Results), stderr)
	}
	if again, _ := os.ReadFile(filepath.Join(out, "a.png")); !bytes.Equal(first, again) {
		t.Error("the output that was there has changed")
	}
	// A half-written temporary file of a killed run is no input.
	os.WriteFile(filepath.Join(out, ".d.png.0123456789ab.tmp"), []byte("half"), 0o666)
	if _, stdout, _ := call(t, "degrade", "--json", out, "-o", filepath.Join(t.TempDir(), "z")); len(asJSON[struct{ Results []any }](t, stdout).Results) != 3 {
		t.Errorf("%s", stdout)
	}
}

// TestSignal: Ctrl-C ends a run with 130 and one line, nothing half-written:
// while it solves, while it waits for its input, and in a batch.
func TestSignal(t *testing.T) {
	pr := prior(t)
	dir := t.TempDir()
	in := save(t, filepath.Join(dir, "in", "a.png"), picture(1, 64, 64, 8))
	data, _ := os.ReadFile(in)
	endlessly := []string{"restore", "--prior", pr, "--noise", "0.3", "--iters", "100000000", "--tol", "0", "--solver", "pgd", "--operator", "blur:gaussian,sigma=2"}
	for _, c := range []struct {
		name string
		args []string
		say  []byte // on stdin
	}{
		{"solving", append(slices.Clone(endlessly), "-", "-o", filepath.Join(dir, "out", "a.png")), data},
		{"waiting", []string{"degrade", "-", "-o", filepath.Join(dir, "out", "b.png")}, data[:20]},
		{"batch", append(slices.Clone(endlessly), filepath.Join(dir, "in"), "-o", filepath.Join(dir, "out")), nil},
	} {
		for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
			cmd, stderr := program(t, c.args...)
			r, stdin, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd.Stdin = r
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			r.Close()
			stdin.Write(c.say)
			if c.name == "waiting" {
				wait(t, "the program to read", func() bool {
					left, err := unix.IoctlGetInt(int(stdin.Fd()), unix.TIOCINQ)
					return err == nil && left == 0
				})
			} else {
				stdin.Close()
				wait(t, "the program to work", func() bool { return worked(cmd.Process.Pid) > 200*time.Millisecond })
			}
			cmd.Process.Signal(sig)
			if code := exitCode(cmd.Wait()); code != exitInterrupt || stderr.String() != "lpn: interrupted\n" {
				t.Errorf("%s, %v: exit %d: %q", c.name, sig, code, stderr)
			}
			stdin.Close()
		}
	}
	if files, _ := os.ReadDir(filepath.Join(dir, "out")); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}

// worked is the processor time that a process has had.
func worked(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// Fields 14 and 15 of proc(5), counted from behind the name; 100 a second.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var ticks int
	for _, f := range fields[11:13] {
		n, _ := strconv.Atoi(f)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// TestKilledTraining: kill -9 at any moment leaves a whole checkpoint, from
// which training ends at the same bits as if nothing had happened.
func TestKilledTraining(t *testing.T) {
	data, config := trainingSet(t)
	dir := t.TempDir()
	args := func(out string, more ...string) []string {
		return append([]string{"train", "--quiet", "--data", data, "--config", config, "--patch", "16", "--batch", "2",
			"--steps", "400", "--every", "10", "-o", out}, more...)
	}
	whole, parts := filepath.Join(dir, "whole"+priorExt), filepath.Join(dir, "parts"+priorExt)
	must(t, args(whole)...)
	state := filepath.Join(dir, "state")
	more := []string{"--checkpoint", state}
	step, kills := "", 0
	for range 4 {
		cmd, stderr := program(t, args(parts, more...)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		var now string
		wait(t, "a checkpoint", func() bool {
			if _, meta, err := checkpoint.ReadFile(state); err == nil {
				now = meta["train.step"]
			}
			return now != step || len(ended) > 0
		})
		if len(ended) > 0 {
			if code := exitCode(<-ended); code != 0 {
				t.Fatalf("exit %d: %s", code, stderr)
			}
			break
		}
		cmd.Process.Kill()
		<-ended
		kills++
		_, meta, err := checkpoint.ReadFile(state)
		if err != nil {
			t.Fatalf("killed after step %s: %v", now, err)
		}
		step = meta["train.step"]
		more = []string{"--resume", state}
	}
	if kills == 0 {
		t.Skip("the training was done before it could be killed")
	}
	if !exists(parts)() {
		must(t, args(parts, "--resume", state)...)
	}
	if !slices.EqualFunc(weightsIn(t, whole), weightsIn(t, parts), sameTensor) {
		t.Errorf("killed %d times and resumed, training ended at other weights", kills)
	}
	// A checkpoint that the disk has damaged is named as such.
	c, _ := os.ReadFile(state)
	c[len(c)-9] ^= 0x10
	os.WriteFile(state, c, 0o666)
	code, _, stderr := call(t, args(filepath.Join(dir, "other"+priorExt), "--resume", state)...)
	if want := fmt.Sprintf("lpn: %s: safetensors: corrupted checkpoint: the checksum does not match the content\n", state); code != exitFailed || stderr != want {
		t.Errorf("exit %d: %q; want %q", code, stderr, want)
	}
}

// TestDiverged: numbers that blow up end training with one line that names
// the last good state, which is as it was.
func TestDiverged(t *testing.T) {
	data, config := trainingSet(t)
	out := filepath.Join(t.TempDir(), "p"+priorExt)
	args := []string{"train", "--quiet", "--data", data, "--config", config, "--patch", "16", "--batch", "2", "--steps", "20", "-o", out}
	stopped, cancel := context.WithCancel(context.Background())
	cancel()
	if code, _, stderr := callWith(t, stopped, nil, args...); code != exitInterrupt {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	// Weights so large that the loss overflows.
	tensors, meta, err := checkpoint.ReadFile(out + ".checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range tensors {
		if strings.HasPrefix(x.Name, "w.") {
			for i := range x.Data {
				x.Data[i] = 1e30
			}
		}
	}
	if err := checkpoint.WriteFile(out+".checkpoint", tensors, meta); err != nil {
		t.Fatal(err)
	}
	good, _ := os.ReadFile(out + ".checkpoint")
	code, _, stderr := call(t, append(args, "--resume", out+".checkpoint")...)
	if code != exitFailed || !strings.HasPrefix(stderr, "lpn: the loss is not a number at step 0 ") || !strings.HasSuffix(stderr, "; "+out+".checkpoint holds the last good state\n") {
		t.Errorf("exit %d: %q", code, stderr)
	}
	if exists(out)() {
		t.Error("a prior was written")
	}
	if now, _ := os.ReadFile(out + ".checkpoint"); len(good) == 0 || !bytes.Equal(good, now) {
		t.Error("the checkpoint has changed")
	}
}

func weightsIn(t *testing.T, path string) []checkpoint.Tensor {
	t.Helper()
	x, _, err := checkpoint.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func sameTensor(a, b checkpoint.Tensor) bool { return a.Name == b.Name && slices.Equal(a.Data, b.Data) }
