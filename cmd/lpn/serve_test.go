package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serving runs a command that listens and returns the line that it prints, and what ends it.
func serving(t *testing.T, args ...string) (address string, stop func() (int, string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	var stderr bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, args, strings.NewReader(""), w, &stderr)
		w.Close()
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		cancel()
		t.Fatalf("%v: exit %d: %s", err, <-code, stderr.String())
	}
	return strings.TrimSpace(line), func() (int, string) {
		cancel()
		select {
		case c := <-code:
			return c, stderr.String()
		case <-time.After(30 * time.Second):
			t.Fatal("it does not stop")
			return 0, ""
		}
	}
}

// TestServe: the server answers with the bytes that restore writes.
func TestServe(t *testing.T) {
	dir := t.TempDir()
	clean := filepath.Join("..", "..", "assets", "images", "still-life-gray.png")
	noisy, out := filepath.Join(dir, "noisy.png"), filepath.Join(dir, "out.png")
	must(t, "degrade", "--noise", "15/255", clean, "-o", noisy)
	must(t, "restore", "--strength", "1.5", noisy, "-o", out)
	want, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	address, stop := serving(t, "serve")
	if !strings.HasPrefix(address, "http://127.0.0.1:") || !strings.HasSuffix(address, "/") {
		t.Fatalf("the address is %q", address)
	}
	data, err := os.ReadFile(noisy)
	if err != nil {
		t.Fatal(err)
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, _ := form.CreateFormFile("image", "noisy.png")
	part.Write(data)
	form.WriteField("options", `{"strength":1.5}`)
	form.Close()
	r, err := http.Post(address+"api/v1/restore", form.FormDataContentType(), &body)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil || r.StatusCode != 200 || !bytes.Equal(got, want) {
		t.Errorf("status %d, %v: %d bytes, restore writes %d", r.StatusCode, err, len(got), len(want))
	}
	for _, c := range servedLikeRestored(t, dir) {
		written := filepath.Join(dir, "written.png")
		must(t, append(append([]string{"restore", "--force"}, c.flags...), c.file, "-o", written)...)
		want, err := os.ReadFile(written)
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(c.file)
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		part, _ := form.CreateFormFile("image", filepath.Base(c.file))
		part.Write(data)
		form.WriteField("options", c.options)
		form.Close()
		r, err := http.Post(address+"api/v1/restore", form.FormDataContentType(), &body)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != 200 || !bytes.Equal(got, want) {
			t.Errorf("%s: status %d, %v: %d bytes, restore %v writes %d", c.options, r.StatusCode, err, len(got), c.flags, len(want))
		}
	}
	if r, err := http.Get(address); err != nil || r.StatusCode != 404 {
		t.Errorf("serve has a page: %v, %v", r, err)
	}
	if code, stderr := stop(); code != exitOK {
		t.Errorf("exit %d after it was told to stop: %s", code, stderr)
	}
}

// servedLikeRestored are files with the flags of restore and the same options, of each kind
// of reading: the light of a blur, transparent pixels, a small JPEG file to enlarge.
func servedLikeRestored(t *testing.T, dir string) []struct {
	file    string
	flags   []string
	options string
} {
	t.Helper()
	at := func(name string) string { return filepath.Join(dir, name) }
	small := picture(3, 40, 44, 8)
	save(t, at("plain.png"), small)
	save(t, at("small.jpg"), small)
	must(t, "degrade", "--operator", "blur:gaussian,sigma=1.2", "--noise", "2/255", at("plain.png"), "-o", at("soft.png"))
	holes := picture(3, 40, 44, 8)
	holes.Alpha = make([]uint16, 40*44)
	for i := range holes.Alpha {
		if i%44 > 3 {
			holes.Alpha[i] = 0xffff
		}
	}
	save(t, at("holes.png"), holes)
	return []struct {
		file    string
		flags   []string
		options string
	}{
		{at("soft.png"), []string{"--operator", "blur:gaussian,sigma=1.2", "--iters", "5"}, `{"operator":"blur:gaussian,sigma=1.2","iters":5}`},
		{at("soft.png"), []string{"--operator", "blur:gaussian,sigma=1.2", "--light", "linear", "--iters", "5"}, `{"operator":"blur:gaussian,sigma=1.2","light":"linear","iters":5}`},
		{at("holes.png"), []string{"--missing", "alpha", "--iters", "5"}, `{"missing":"alpha","iters":5}`},
		{at("small.jpg"), []string{"--operator", "sr:factor=2", "--iters", "3"}, `{"operator":"sr:factor=2","iters":3,"format":"png"}`},
	}
}

// TestExplore: the page is there, and the folder, and others reach it with the token only.
func TestExplore(t *testing.T) {
	picture := filepath.Join("..", "..", "assets", "images", "still-life-gray.png")
	address, stop := serving(t, "explore", "--no-browser", picture)
	defer stop()
	get := func(path string) string {
		t.Helper()
		r, err := http.Get(address + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, _ := io.ReadAll(r.Body)
		if r.StatusCode != 200 {
			t.Errorf("%s: status %d: %s", path, r.StatusCode, b)
		}
		return string(b)
	}
	if !strings.Contains(get(""), `src="app.js"`) || len(get("app.js")) < 10_000 {
		t.Error("the page is not there")
	}
	var files struct {
		Start string
		Files []string
	}
	if err := json.Unmarshal([]byte(get("api/v1/files")), &files); err != nil || files.Start != "still-life-gray.png" || len(files.Files) != 4 {
		t.Errorf("the folder: %+v, %v", files, err)
	}
}

func TestServeUsage(t *testing.T) {
	for _, args := range [][]string{
		{"serve", "--addr", "8080"}, {"serve", "--addr", "127.0.0.1:1000000"}, {"serve", "here"}, {"serve", "--jobs", "0"},
		{"serve", "--upload", "much"}, {"serve", "--folder", "nowhere"}, {"serve", "--prior", "nowhere.safetensors"},
		{"explore", "a", "b"}, {"explore", "--no-browser", "nowhere"},
		{"restore", "--width", "1", "x.png"}, {"prior", "map", "--font-size", "100", "x.png", "-o", "y.png"},
	} {
		if code, stdout, stderr := call(t, args...); code != exitUsage || stdout != "" || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit %d, %q, %q", args, code, stdout, stderr)
		}
	}
}
