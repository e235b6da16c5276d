package serve

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"
)

// within fails a test whose f takes longer than a client waits.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s: no answer", what)
	}
}

// Clients that send their pictures slowly do not keep others from sending theirs.
func TestSlowSenders(t *testing.T) {
	server := httptest.NewServer(New(Config{}))
	defer server.Close()
	data := encoded(t, noisyPicture(1, 24, 24), "png")
	for range 24 {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST /api/v1/pictures HTTP/1.1\r\nHost: %s\r\nContent-Type: image/png\r\nContent-Length: 1000000\r\nLpn-Client: slow\r\n\r\n%s", server.Listener.Addr(), data[:40])
	}
	within(t, "a picture", func() {
		r, err := http.Post(server.URL+"/api/v1/pictures", "image/png", strings.NewReader(string(data)))
		if err != nil {
			t.Error(err)
			return
		}
		defer r.Body.Close()
		if r.StatusCode != http.StatusCreated {
			b, _ := io.ReadAll(r.Body)
			t.Errorf("status %d: %s", r.StatusCode, b)
		}
	})
}

// Clients that do not read what they asked for do not keep others from theirs.
func TestSlowReaders(t *testing.T) {
	s := New(Config{Jobs: 1})
	server := httptest.NewServer(s)
	defer server.Close()
	info := add(t, s, noisyPicture(3, 1000, 1200), "x.png") // 14 MB as .npy: more than sockets hold
	for range 4 {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "GET %s?format=npy HTTP/1.1\r\nHost: %s\r\nLpn-Client: slow\r\n\r\n", info.URL, server.Listener.Addr())
	}
	for { // until they have their turns
		if running, waiting := s.light.counts(); running+waiting == 0 && s.metrics.requests.Load() >= 5 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	within(t, "a tile", func() {
		r, err := http.Get(server.URL + info.Tiles + "/0/0/0")
		if err != nil {
			t.Error(err)
			return
		}
		r.Body.Close()
		if r.StatusCode != 200 {
			t.Errorf("status %d", r.StatusCode)
		}
	})
}

// A hundred requests of one client wait for each other, and the others are refused; one of
// another client does not wait for them.
func TestGreedy(t *testing.T) {
	s := New(Config{Jobs: 1})
	server := httptest.NewServer(s)
	defer server.Close()
	info := add(t, s, noisyPicture(1, 32, 32), "x.png")
	ask := func(client string) int {
		r, _ := http.NewRequest("POST", server.URL+"/api/v1/restore", strings.NewReader(fmt.Sprintf(`{"picture":%q,"options":{"solver":"pgd","iters":60,"tol":0,"strength":3}}`, info.ID)))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json")
		r.Header.Set("Lpn-Client", client)
		w, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
			return 0
		}
		io.Copy(io.Discard, w.Body)
		w.Body.Close()
		return w.StatusCode
	}
	var wait sync.WaitGroup
	var mu sync.Mutex
	codes, before := map[int]int{}, 0
	for range 100 {
		wait.Go(func() {
			code := ask("greedy")
			mu.Lock()
			codes[code]++
			mu.Unlock()
		})
	}
	for {
		if _, waiting := s.heavy.counts(); waiting >= 10 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if code := ask("other"); code != 200 {
		t.Errorf("another client: status %d", code)
	}
	mu.Lock()
	before = codes[200]
	mu.Unlock()
	wait.Wait()
	if codes[200]+codes[429] != 100 || codes[200] > 20 || codes[429] == 0 {
		t.Errorf("the answers: %v", codes)
	}
	if before > codes[200]/2 {
		t.Errorf("another client waited for %d of %d", before, codes[200])
	}
}

// However a path is written, it does not lead out of the folder, the page or the store.
func TestPaths(t *testing.T) {
	dir := t.TempDir()
	inside := filepath.Join(dir, "inside")
	if err := os.MkdirAll(filepath.Join(inside, "log-pictures"), 0o777); err != nil {
		t.Fatal(err)
	}
	secret := encoded(t, noisyPicture(1, 16, 16), "png")
	log := []byte("step,seconds,loss,psnr\n100,2,3,4\n200,3,2,5\n")
	for name, data := range map[string][]byte{"secret.png": secret, "secret.csv": log, "inside/log.csv": log, "inside/log-pictures/step-00000100.png": secret, "inside/log-pictures/other.png": secret} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"up": "..", "link.png": "../secret.png", "log-pictures/step-00000200.png": "../../secret.png", "link.csv": "../secret.csv"} {
		if err := os.Symlink(to, filepath.Join(inside, link)); err != nil {
			t.Skip("no links here:", err)
		}
	}
	root, err := os.OpenRoot(inside)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	s := New(Config{Folder: root, Page: fstest.MapFS{"index.html": {Data: []byte("hello")}}})
	server := httptest.NewServer(s)
	defer server.Close()
	for _, path := range []string{
		"/..%2fsecret.png", "/%2e%2e/secret.png", "/%2e%2e%2fsecret.png", "/..%5csecret.png", "/..;/secret.png", "//secret.png", "/./../secret.png",
		"/api/v1/pictures/..%2f..%2fsecret.png/file", "/api/v1/pictures/up%2fsecret.png/file",
		"/api/v1/training?name=..%2Fsecret.csv", "/api/v1/training?name=up/secret.csv", "/api/v1/training?name=link.csv",
		"/api/v1/training/figure?name=..%2Fsecret.csv", "/api/v1/training/figure?name=link.csv&format=csv",
	} {
		// As it is written, on a connection of its own: clients clean paths.
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, server.Listener.Addr())
		b, _ := io.ReadAll(c)
		c.Close()
		status, _, _ := strings.Cut(string(b), "\r\n")
		if !strings.Contains(status, " 404 ") && !strings.Contains(status, " 307 ") && !strings.Contains(status, " 400 ") || strings.Contains(string(b), "PNG") {
			t.Errorf("%s: %.80q", path, b)
		}
	}
	for _, file := range []string{"up/secret.png", "link.png", "log-pictures/step-00000200.png", "log-pictures/../../secret.png", "%2e%2e/secret.png"} {
		if w := post(s, "/api/v1/pictures", map[string]any{"file": file}); w.Code != 404 {
			t.Errorf("%s: status %d: %s", file, w.Code, w.Body)
		}
	}
	var list struct{ Files []string }
	json.Unmarshal(send(s, "GET", "/api/v1/files", nil).Body.Bytes(), &list)
	for _, f := range list.Files {
		if f == "link.png" || strings.HasPrefix(f, "up") {
			t.Errorf("%s is listed, and cannot be opened", f)
		}
	}
	// The training of the folder is there, and its pictures that are files.
	var seen Training
	w := send(s, "GET", "/api/v1/training?name=log.csv", nil)
	if err := json.Unmarshal(w.Body.Bytes(), &seen); err != nil || len(seen.Pictures) != 1 || seen.Pictures[0] != (StepPicture{100, "log-pictures/step-00000100.png"}) {
		t.Errorf("the training: %v, %s", err, w.Body)
	}
	if w := send(s, "GET", seen.Figure+"&format=csv", nil); w.Body.String() != string(log) || !strings.Contains(w.Header().Get("Content-Disposition"), "log.csv") {
		t.Errorf("its table: %q", w.Body)
	}
	for format, head := range map[string]string{"svg": "<?xml", "pdf": "%PDF-", "png": "\x89PNG"} {
		if w := send(s, "GET", seen.Figure+"&format="+format, nil); w.Code != 200 || !strings.HasPrefix(w.Body.String(), head) {
			t.Errorf("its curves as %s: status %d", format, w.Code)
		}
	}
}

// Few plans are kept, whatever is asked for: each holds the memory of its network.
func TestFewPlans(t *testing.T) {
	s := New(Config{})
	var infos []PictureInfo
	for range mostPlans + 3 {
		info := add(t, s, noisyPicture(1, 24, 24), "x.png")
		infos = append(infos, info)
		for _, strength := range []float64{1, 2} {
			if w := post(s, "/api/v1/plan", map[string]any{"picture": info.ID, "options": map[string]any{"strength": strength}}); w.Code != 200 {
				t.Fatal(w.Body)
			}
		}
		if n := len(s.plans.made); n > mostPlans {
			t.Fatalf("%d plans are kept", n)
		}
	}
	last := infos[len(infos)-1]
	kept := s.plans.made[0]
	if w := post(s, "/api/v1/plan", map[string]any{"picture": last.ID, "options": map[string]any{"strength": 2}}); w.Code != 200 || s.plans.made[0].plan != kept.plan {
		t.Error("the same plan was made again")
	}
	// What is deleted leaves nothing.
	send(s, "DELETE", "/api/v1/pictures/"+last.ID, nil)
	for _, p := range s.plans.made {
		if p.of.id == last.ID {
			t.Error("the plan of a deleted picture is kept")
		}
	}
	// A plan that is larger than all room is kept alone.
	few := &plans{limit: 1}
	for range 3 {
		few.keep(kept)
	}
	if len(few.made) != 1 {
		t.Errorf("%d plans without room", len(few.made))
	}
}

// The page and the command see the same problem: transparent pixels are missing if asked
// for, and a blur of a photograph may be one of light.
func TestObserved(t *testing.T) {
	s := New(Config{})
	p := noisyPicture(3, 32, 40)
	p.Alpha = make([]uint16, 32*40)
	for i := range p.Alpha {
		if p.Alpha[i] = 0xffff; i%40 < 4 {
			p.Alpha[i] = 0
		}
	}
	info := add(t, s, p, "x.png")
	plan := func(options string) (a Planned, code int) {
		t.Helper()
		w := post(s, "/api/v1/plan", fmt.Sprintf(`{"picture":%q,"options":%s}`, info.ID, options))
		json.Unmarshal(w.Body.Bytes(), &a)
		return a, w.Code
	}
	a, code := plan(`{"missing":"alpha"}`)
	if code != 200 || a.Plan.Missing != 3*32*4 || a.Command != "lpn restore --missing alpha x.png -o x_lpn.png" {
		t.Errorf("status %d: %d missing; %s", code, a.Plan.Missing, a.Command)
	}
	if a, _ = plan(`{}`); a.Plan.Missing != 0 {
		t.Errorf("%d are missing that nobody asked for", a.Plan.Missing)
	}
	if it := s.items.get(info.ID); it.picture.Alpha == nil {
		t.Error("the picture has lost its transparency")
	}
	a, code = plan(`{"operator":"blur:gaussian,sigma=1","light":"linear","noise":0.08}`)
	if code != 200 || a.Plan.Light != "linear" || !strings.Contains(a.Command, "--light linear") {
		t.Errorf("status %d: light %q; %s", code, a.Plan.Light, a.Command)
	}
	if a, _ = plan(`{"operator":"blur:gaussian,sigma=1"}`); a.Plan.LightLine == "" {
		t.Error("nothing is said about the light of a blurred photograph")
	}
	for _, o := range []string{`{"light":"bright"}`, `{"missing":"some"}`} {
		if _, code := plan(o); code != 400 {
			t.Errorf("%s: status %d", o, code)
		}
	}
}
