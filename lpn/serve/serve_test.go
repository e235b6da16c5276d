package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"math/rand/v2"
	"mime/multipart"
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

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/measured"
	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
)

// noisyPicture is a smooth picture with an edge, and noise.
func noisyPicture(c, h, w int) *imageio.Picture {
	m := operators.NewImage(operators.Shape{C: c, H: h, W: w})
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range m.Pix {
		y, x := i/w%h, i%w
		v := 0.4 + 0.2*math.Sin(float64(x)/9)
		if x > y {
			v += 0.2
		}
		m.Pix[i] = float32(v + 0.08*rng.NormFloat64())
	}
	return &imageio.Picture{Image: m, Bits: 8, Scale: 255, High: 1, Format: "png"}
}

func encoded(t testing.TB, p *imageio.Picture, format string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := imageio.Encode(&b, p, imageio.Options{Format: format}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// form is a form with a picture and options.
func form(t testing.TB, name string, data []byte, options string) (body io.Reader, kind string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if data != nil {
		f, err := w.CreateFormFile("image", name)
		if err != nil {
			t.Fatal(err)
		}
		f.Write(data)
	}
	if options != "" {
		w.WriteField("options", options)
	}
	w.Close()
	return &b, w.FormDataContentType()
}

// ask sends a request as a client on this machine does.
func send(h http.Handler, method, path string, body io.Reader, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://127.0.0.1:1234"+path, body)
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// post sends v as JSON.
func post(h http.Handler, path string, v any, headers ...string) *httptest.ResponseRecorder {
	b, ok := v.(string)
	if !ok {
		text, _ := json.Marshal(v)
		b = string(text)
	}
	return send(h, "POST", path, strings.NewReader(b), append([]string{"Content-Type", "application/json"}, headers...)...)
}

// add sends a picture and returns what is told of it.
func add(t testing.TB, h http.Handler, p *imageio.Picture, name string) PictureInfo {
	t.Helper()
	body, kind := form(t, name, encoded(t, p, "png"), "")
	w := send(h, "POST", "/api/v1/pictures", body, "Content-Type", kind)
	var info PictureInfo
	if err := json.Unmarshal(w.Body.Bytes(), &info); err != nil || w.Code != http.StatusCreated {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return info
}

// What a request for a restoration answers is what the library makes of the file.
func TestRestore(t *testing.T) {
	s := New(Config{})
	data := encoded(t, noisyPicture(1, 48, 64), "png")
	p, err := imageio.Decode(bytes.NewReader(data), "x.png")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := restore.New(restore.Problem{Y: p.Image, Range: restore.Unit}, restore.Options{Choose: priors.For, Strength: 2})
	if err != nil {
		t.Fatal(err)
	}
	want, err := plan.Solve(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	wantFile := encoded(t, p.With(want.Image, false), "png")

	body, kind := form(t, "x.png", data, `{"strength": 2}`)
	w := send(s, "POST", "/api/v1/restore", body, "Content-Type", kind)
	if w.Code != 200 || w.Header().Get("Content-Type") != "image/png" || !bytes.Equal(w.Body.Bytes(), wantFile) {
		t.Fatalf("status %d, %s, %d bytes; want the picture of the library, %d bytes", w.Code, w.Header().Get("Content-Type"), w.Body.Len(), len(wantFile))
	}

	body, kind = form(t, "dir/x y.png", data, `{"strength": "2"}`)
	w = send(s, "POST", "/api/v1/restore", body, "Content-Type", kind, "Accept", "application/json")
	var r Restored
	if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil || w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	if float64(r.Objective) != want.Objective || r.Iterations != want.Iterations || !r.Certified || float64(r.Strength) != 2 || r.Prior != plan.Prior {
		t.Errorf("%+v; want objective %v after %d iterations", r, want.Objective, want.Iterations)
	}
	if want := `lpn restore --strength 2 'x y.png' -o 'x y_lpn.png'`; r.Command != want {
		t.Errorf("command %q, want %q", r.Command, want)
	}
	if w := send(s, "GET", r.URL, nil); !bytes.Equal(w.Body.Bytes(), wantFile) {
		t.Error("the URL has another picture")
	}

	// Events come in order, and tell of every iteration.
	info := add(t, s, p, "x.png")
	w = post(s, "/api/v1/restore", map[string]any{"picture": info.ID, "options": map[string]any{"strength": 2}, "side": 32}, "Accept", "text/event-stream")
	events := strings.Split(strings.TrimSuffix(w.Body.String(), "\n\n"), "\n\n")
	var kinds []string
	images := 0
	for _, e := range events {
		head, data, _ := strings.Cut(e, "\n")
		kinds = append(kinds, strings.TrimPrefix(head, "event: "))
		if strings.Contains(data, "data:image/png;base64,") {
			images++
		}
	}
	if kinds[0] != "plan" || kinds[len(kinds)-1] != "result" || len(kinds) != want.Iterations+2 || images == 0 {
		t.Errorf("events %v, %d with a picture; want a plan, %d iterates and a result", kinds, images, want.Iterations)
	}
}

// A look at all of a picture is the restoration, and the plan says what will be done.
func TestLookAndPlan(t *testing.T) {
	s := New(Config{})
	info := add(t, s, noisyPicture(1, 48, 64), "x.png")
	w := post(s, "/api/v1/plan", map[string]any{"picture": info.ID})
	var p Planned
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	if math.Abs(p.Plan.Noise-0.08) > 0.02 || !p.Parts || len(p.Words) < 5 || p.Command != "lpn restore x.png -o x_lpn.png" {
		t.Errorf("plan %+v", p)
	}
	for _, q := range []struct {
		window Window
		code   int
	}{{Window{8, 8, 32, 24}, 200}, {Window{40, 8, 32, 24}, 400}, {Window{0, 0, 1 << 20, 1 << 20}, 400}, {Window{0, 0, 0, 0}, 400}, {Window{0, 0, -4, -4}, 400}} {
		w := post(s, "/api/v1/look", Look{Picture: info.ID, Strength: 1.5, Window: q.window})
		if w.Code != q.code {
			t.Errorf("window %v: status %d: %s", q.window, w.Code, w.Body)
			continue
		}
		if q.code != 200 {
			continue
		}
		m, err := png.Decode(w.Body)
		if err != nil || m.Bounds() != image.Rect(0, 0, 32, 24) {
			t.Errorf("window %v: %v", q.window, err)
		}
	}
}

// Requests of other machines' pages are refused, whatever they try.
func TestGuard(t *testing.T) {
	page := fstest.MapFS{"index.html": {Data: []byte("hello")}}
	open, locked := New(Config{Page: page}), New(Config{Page: page, Token: "secret", Hosts: []string{"lab.example"}})
	for _, c := range []struct {
		name    string
		s       *Server
		method  string
		path    string
		headers []string
		want    int
	}{
		{"the page", open, "GET", "/", nil, 200},
		{"by the name localhost", open, "GET", "/healthz", []string{"Host", "localhost:1234"}, 200},
		{"by IPv6", open, "GET", "/healthz", []string{"Host", "[::1]:1234"}, 200},
		{"a rebound name", open, "GET", "/api/v1/files", []string{"Host", "evil.example:1234"}, 421},
		{"a rebound name that ends well", open, "GET", "/", []string{"Host", "localhost.evil.example"}, 421},
		{"another address without a token", open, "GET", "/", []string{"Host", "192.168.1.2:1234"}, 421},
		{"no host", open, "GET", "/", []string{"Host", ""}, 421},
		{"a post of another site", open, "POST", "/api/v1/plan", []string{"Origin", "http://evil.example", "Content-Type", "application/json"}, 403},
		{"a post of another port", open, "POST", "/api/v1/plan", []string{"Origin", "http://127.0.0.1:9", "Content-Type", "application/json"}, 403},
		{"a post of a sandbox", open, "POST", "/api/v1/plan", []string{"Origin", "null", "Content-Type", "application/json"}, 403},
		{"a post that a browser calls foreign", open, "POST", "/api/v1/plan", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a picture in another page", open, "GET", "/api/v1/files", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, 403},
		{"a frame in another page's script", open, "GET", "/api/v1/files", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}, 403},
		{"a link to the page", open, "GET", "/", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}, 200},
		{"its own post", open, "POST", "/api/v1/plan", []string{"Origin", "http://127.0.0.1:1234", "Sec-Fetch-Site", "same-origin", "Content-Type", "application/json"}, 400},
		{"a form that needs no permission", open, "POST", "/api/v1/plan", []string{"Content-Type", "text/plain"}, 415},
		{"no token", locked, "GET", "/api/v1/files", nil, 401},
		{"the page without the token", locked, "GET", "/", nil, 401},
		{"a wrong token", locked, "GET", "/?token=secreT", nil, 401},
		{"the token", locked, "GET", "/?token=secret", nil, 303},
		{"the token not at the page", locked, "GET", "/api/v1/files?token=secret", nil, 401},
		{"the cookie", locked, "GET", "/api/v1/files", []string{"Cookie", "lpn-token=secret"}, 200},
		{"a wrong cookie", locked, "GET", "/api/v1/files", []string{"Cookie", "lpn-token=x"}, 401},
		{"the header", locked, "GET", "/api/v1/files", []string{"Authorization", "Bearer secret"}, 200},
		{"a wrong header beside the cookie", locked, "GET", "/api/v1/files", []string{"Authorization", "Bearer x", "Cookie", "lpn-token=secret"}, 401},
		{"metrics without the token", locked, "GET", "/metrics", nil, 401},
		{"health without the token", locked, "GET", "/healthz", nil, 200},
		{"an address with a token", locked, "GET", "/healthz", []string{"Host", "192.168.1.2:1234"}, 200},
		{"a name that was given", locked, "GET", "/healthz", []string{"Host", "LAB.example:1234"}, 200},
		{"a name that was not", locked, "GET", "/healthz", []string{"Host", "evil.example"}, 421},
		{"a method that is none", open, "PUT", "/api/v1/plan", nil, 405},
	} {
		var body io.Reader
		if c.method == "POST" {
			body = strings.NewReader("")
		}
		w := send(c.s, c.method, c.path, body, c.headers...)
		if w.Code != c.want {
			t.Errorf("%s: status %d, want %d: %s", c.name, w.Code, c.want, w.Body)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(w.Header().Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s: without the headers that protect", c.name)
		}
	}
	w := send(locked, "GET", "/?token=secret", nil)
	if c := w.Header().Get("Set-Cookie"); !strings.Contains(c, "HttpOnly") || !strings.Contains(c, "SameSite=Strict") || w.Header().Get("Location") != "/" {
		t.Errorf("the token sets %q and goes to %q", c, w.Header().Get("Location"))
	}
}

// Others can reach a server only with a token.
func TestServeWantsToken(t *testing.T) {
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Skip("cannot listen on all addresses here")
	}
	if err := New(Config{}).Serve(context.Background(), l); err == nil || !strings.Contains(err.Error(), "token") {
		t.Errorf("served without a token: %v", err)
	}
	s := New(Config{Token: "secret"})
	if a := s.Address(l.Addr()); !strings.HasSuffix(a, "/?token=secret") || strings.Contains(a, "0.0.0.0") || strings.Contains(a, "[::]") {
		t.Errorf("the address is %s", a)
	}
}

// Nothing outside the folder is read, by whatever name or link.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	inside := filepath.Join(dir, "inside")
	if err := os.MkdirAll(filepath.Join(inside, "sub", ".hidden"), 0o777); err != nil {
		t.Fatal(err)
	}
	data := encoded(t, noisyPicture(1, 16, 16), "png")
	for _, name := range []string{"secret.png", "inside/a.png", "inside/sub/b.png", "inside/sub/.hidden/c.png", "inside/.d.png"} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	os.WriteFile(filepath.Join(dir, "log.csv"), []byte("step,seconds,loss,psnr\n1,2,3,4\n"), 0o666)
	os.WriteFile(filepath.Join(inside, "notes.txt"), data, 0o666)
	if err := os.Symlink(filepath.Join(dir, "secret.png"), filepath.Join(inside, "link.png")); err != nil {
		t.Log("no links here:", err)
	}
	root, err := os.OpenRoot(inside)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	s := New(Config{Folder: root})
	w := send(s, "GET", "/api/v1/files", nil)
	var list struct{ Files []string }
	json.Unmarshal(w.Body.Bytes(), &list)
	for _, f := range list.Files {
		if f != "a.png" && f != "sub/b.png" && f != "link.png" {
			t.Errorf("%s is listed", f)
		}
	}
	if len(list.Files) < 2 {
		t.Errorf("listed: %v", list.Files)
	}
	for name, want := range map[string]int{
		"a.png": 201, "sub/b.png": 201, "link.png": 404, "../secret.png": 404, "sub/../../secret.png": 404,
		filepath.Join(dir, "secret.png"): 404, "/etc/passwd": 404, "": 404, ".": 404, "sub": 404, `..\secret.png`: 404, "a.png\x00": 404,
	} {
		if w := post(s, "/api/v1/pictures", map[string]any{"file": name}); w.Code != want {
			t.Errorf("%q: status %d, want %d: %s", name, w.Code, want, w.Body)
		}
	}
	info := add(t, s, noisyPicture(1, 16, 16), "x.png")
	for _, o := range []string{
		`{"operator":"blur:kernel=../secret.png"}`, `{"operator":"inpaint:mask=/etc/passwd"}`, `{"operator":"blur:kernel=link.png"}`,
		`{"prior":"../secret.png"}`, `{"prior":"/etc/passwd"}`, `{"noise":"map:../secret.png"}`, `{"noise":"/etc/passwd.json"}`,
	} {
		w := post(s, "/api/v1/plan", fmt.Sprintf(`{"picture":%q,"options":%s}`, info.ID, o))
		if w.Code != 400 {
			t.Errorf("%s: status %d: %s", o, w.Code, w.Body)
		}
	}
	for name, want := range map[string]int{"../log.csv": 404, "log.csv": 404, "a.png": 404} {
		if w := send(s, "GET", "/api/v1/training?name="+name, nil); w.Code != want {
			t.Errorf("log %s: status %d: %s", name, w.Code, w.Body)
		}
	}
	// A server without a folder reads nothing at all.
	if w := post(New(Config{}), "/api/v1/pictures", map[string]any{"file": "serve_test.go"}); w.Code != 404 {
		t.Errorf("without a folder: status %d", w.Code)
	}
}

// Bad requests are answered in one line, and harm nothing.
func TestBadRequests(t *testing.T) {
	s := New(Config{Upload: 1 << 16, Store: 1 << 20})
	info := add(t, s, noisyPicture(1, 32, 32), "x.png")
	for _, c := range []struct {
		path, body, kind string
		want             int
	}{
		{"/api/v1/restore", `{"picture":"nope"}`, "", 404},
		{"/api/v1/restore", `{"picture":"` + info.ID + `","options":{"stregth":2}}`, "", 400},
		{"/api/v1/restore", `{"picture":"` + info.ID + `","options":{"strength":-1}}`, "", 400},
		{"/api/v1/restore", `{"picture":"` + info.ID + `","options":{"strength":"NaN"}}`, "", 400},
		{"/api/v1/restore", `{"picture":"` + info.ID + `","options":{"iters":1000000000}}`, "", 400},
		{"/api/v1/restore", `{"picture":"` + info.ID + `","options":{"operator":"blur:gaussian,sigma=-1"}}`, "", 400},
		{"/api/v1/restore", `{"picture":"` + info.ID + `","options":{"operator":"cs:ratio=0.5"}}`, "", 400},
		{"/api/v1/restore", `{"picture":"` + info.ID + `","options":{"operator":"jpeg"}}`, "", 400},
		{"/api/v1/restore", `{"picture":"` + info.ID + `","options":{"solver":"magic"}}`, "", 400},
		{"/api/v1/restore", `{"picture":"` + info.ID + `","options":{"prior":"colour-25"}}`, "", 400},
		{"/api/v1/restore", `{"picture":"` + info.ID + `","options":{"noise":"loud"}}`, "", 400},
		{"/api/v1/restore", `{"picture":"` + info.ID + `","options":{"range":"9:3"}}`, "", 400},
		{"/api/v1/restore", `{"picture":"` + info.ID + `"} {}`, "", 400},
		{"/api/v1/restore", `{`, "", 400},
		{"/api/v1/restore", ``, "multipart/form-data; boundary=x", 400},
		{"/api/v1/restore", "--x\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\nabc", "multipart/form-data; boundary=x", 400},
		{"/api/v1/restore", "--x\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\nabc\r\n--x--\r\n", "multipart/form-data; boundary=x", 400},
		{"/api/v1/pictures", "no picture at all", "image/png", 422},
		{"/api/v1/pictures", strings.Repeat("x", 1<<17), "image/png", 413},
		{"/api/v1/pictures", "\x89PNG\r\n\x1a\n" + strings.Repeat("x", 1<<17), "image/png", 413},
		{"/api/v1/pictures", `{"file":` + strings.Repeat(" ", 2<<20) + `"a"}`, "application/json", 413},
		{"/api/v1/prior/map", `{"picture":"` + info.ID + `","smooth":1e9}`, "", 400},
		{"/api/v1/prior/path", `{"picture":"` + info.ID + `","perturb":"magic"}`, "", 400},
		{"/api/v1/prior/path", `{"picture":"` + info.ID + `","perturb":"noise","levels":[-1]}`, "", 400},
		{"/api/v1/prior/slice", `{"picture":"` + info.ID + `","dirs":["noise","nope"]}`, "", 400},
		{"/api/v1/prior/slice", `{"picture":"` + info.ID + `","dirs":["noise","blur"],"grid":1000}`, "", 400},
		{"/api/v1/prior/curve", `{"priors":["gray-25"]}`, "", 400},
		{"/api/v1/prior/verify", `{"prior":"nope"}`, "", 400},
		{"/api/v1/changed", `{"picture":"` + info.ID + `","perturb":"mix","with":"nope","level":0.5}`, "", 404},
	} {
		kind := c.kind
		if kind == "" {
			kind = "application/json"
		}
		w := send(s, "POST", c.path, strings.NewReader(c.body), "Content-Type", kind)
		var e struct{ Error string }
		json.Unmarshal(w.Body.Bytes(), &e)
		if w.Code != c.want || e.Error == "" || strings.ContainsAny(e.Error, "\n") {
			t.Errorf("%s %.90s: status %d, want %d: %s", c.path, c.body, w.Code, c.want, w.Body)
		}
	}
	for path, want := range map[string]int{
		"/tiles/0/0/0": 200, "/tiles/0/1/0": 404, "/tiles/9/0/0": 200, "/tiles/99/0/0": 400, "/tiles/0/-1/0": 400, "/tiles/0/x/0": 400,
		"/file?format=gif": 400, "/file?format=jpeg&quality=900": 400, "/file?bits=7": 400, "/file?format=npy": 200,
	} {
		if w := send(s, "GET", "/api/v1/pictures/"+info.ID+path, nil); w.Code != want {
			t.Errorf("%s: status %d, want %d", path, w.Code, want)
		}
	}
	if n := s.metrics.failed.Load(); n != 0 {
		t.Errorf("%d requests were faults of the server", n)
	}
}

// A small file that promises a large picture is refused before it is decoded.
func TestBomb(t *testing.T) {
	s := New(Config{Store: 8 << 20})
	big := image.NewGray(image.Rect(0, 0, 8000, 8000)) // 256 MB of floats in a few KB
	var b bytes.Buffer
	if err := png.Encode(&b, big); err != nil {
		t.Fatal(err)
	}
	w := send(s, "POST", "/api/v1/pictures?name=bomb.png", &b, "Content-Type", "image/png")
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

// A tile is the part of the picture that it says, at every level.
func TestTiles(t *testing.T) {
	s := New(Config{})
	p := noisyPicture(3, 600, 700)
	info := add(t, s, p, "x.png")
	data := encoded(t, p, "png")
	p, _ = imageio.Decode(bytes.NewReader(data), "x.png")
	for _, c := range []struct{ level, x, y, w, h int }{{0, 0, 0, 512, 512}, {0, 1, 1, 188, 88}, {1, 0, 0, 350, 300}, {3, 0, 0, 88, 75}} {
		w := send(s, "GET", fmt.Sprintf("%s/%d/%d/%d", info.Tiles, c.level, c.x, c.y), nil)
		m, err := png.Decode(w.Body)
		if err != nil || m.Bounds() != image.Rect(0, 0, c.w, c.h) {
			t.Errorf("%+v: %v, %v", c, err, m.Bounds())
			continue
		}
		step := 1 << c.level
		for _, at := range []image.Point{{0, 0}, {c.w - 1, c.h - 1}, {c.w / 2, c.h / 3}} {
			sum, n := 0.0, 0.0
			for y := (c.y*TileSide + at.Y) * step; y < min(p.H, (c.y*TileSide+at.Y+1)*step); y++ {
				for x := (c.x*TileSide + at.X) * step; x < min(p.W, (c.x*TileSide+at.X+1)*step); x++ {
					sum += float64(p.At(1, y, x))
					n++
				}
			}
			_, g, _, _ := m.At(at.X, at.Y).RGBA()
			if want := 255 * min(1, max(0, sum/n)); math.Abs(float64(g>>8)-want) > 0.51 {
				t.Errorf("%+v at %v: green %d, want %.1f", c, at, g>>8, want)
			}
		}
	}
}

// The answers about priors belong to the picture, and can be had as figures and numbers.
func TestPrior(t *testing.T) {
	s := New(Config{})
	info := add(t, s, noisyPicture(1, 40, 40), "x.png")
	answer := func(path string, q map[string]any, v any) {
		t.Helper()
		q["picture"], q["window"] = info.ID, Window{4, 4, 24, 20}
		w := post(s, path, q)
		if err := json.Unmarshal(w.Body.Bytes(), v); err != nil || w.Code != 200 {
			t.Fatalf("%s: status %d, %v: %.300s", path, w.Code, err, w.Body)
		}
	}
	var v struct {
		Nats float64 `json:"nats"`
	}
	answer("/api/v1/prior/value", map[string]any{"prior": "gray-25"}, &v)
	var m MapAnswer
	answer("/api/v1/prior/map", map[string]any{"prior": "gray-25"}, &m)
	sum := 0.0
	for _, x := range m.Values {
		sum += x
	}
	if math.Abs(sum-v.Nats) > 1e-3*math.Abs(v.Nats) || m.Width != 24 || m.Height != 20 || m.Picture.Width != 24 {
		t.Errorf("a map of %dx%d pixels with the sum %v, want the value %v", m.Width, m.Height, sum, v.Nats)
	}
	var p PathAnswer
	answer("/api/v1/prior/path", map[string]any{"priors": []string{"gray-25", "gray-15"}, "perturb": "blur", "levels": []float64{0, 1}}, &p)
	if len(p.Paths) != 2 || math.Abs(float64(p.Paths[0].Values[0])*24*20-v.Nats) > 1e-3*math.Abs(v.Nats) {
		t.Errorf("paths %+v, want the first to begin at %v", p.Paths, v.Nats/(24*20))
	}
	var sl SliceAnswer
	answer("/api/v1/prior/slice", map[string]any{"prior": "gray-25", "dirs": []string{"noise", "blur"}, "grid": 3, "span": 0.2, "noise": 0.1}, &sl)
	if len(sl.Z) != 9 || len(sl.Way) < 2 || !sl.Fidelity {
		t.Errorf("a slice of %d points, a way of %d steps", len(sl.Z), len(sl.Way))
	}
	for _, kept := range []Kept{m.Kept, p.Kept, sl.Kept} {
		for format, head := range map[string]string{"svg": "<?xml", "pdf": "%PDF-", "png": "\x89PNG", "npz": "PK", "csv": ""} {
			w := send(s, "GET", kept.Figure+"?format="+format, nil)
			if w.Code != 200 || !strings.HasPrefix(w.Body.String(), head) || !strings.Contains(w.Header().Get("Content-Disposition"), "x-") {
				t.Errorf("%s as %s: status %d, %.20q", kept.Figure, format, w.Code, w.Body)
			}
			if format == "csv" && strings.Count(w.Body.String(), "\n\n") > 0 {
				t.Errorf("the CSV is no tidy table: %.200s", w.Body)
			}
		}
	}
	if w := send(s, "GET", sl.At+"?a=0&b=0.1", nil); w.Code != 200 {
		t.Errorf("the picture at a point: status %d", w.Code)
	} else if m, err := png.Decode(w.Body); err != nil || m.Bounds() != image.Rect(0, 0, 24, 20) {
		t.Errorf("the picture at a point: %v", err)
	}
	if w := send(s, "GET", sl.At+"?a=inf&b=x", nil); w.Code != 400 {
		t.Errorf("no point at all: status %d", w.Code)
	}
	var c CurveAnswer
	w := post(s, "/api/v1/prior/curve", map[string]any{"priors": []string{"laplace"}, "points": 21})
	if err := json.Unmarshal(w.Body.Bytes(), &c); err != nil || w.Code != 200 || len(c.Curves) != 1 || !(c.Errors[0].MAP < 0.1) {
		t.Errorf("the curve of laplace: status %d, %v: %.200s", w.Code, err, w.Body)
	}
	var cert Verified
	w = post(s, "/api/v1/prior/verify", map[string]any{"prior": "laplace"})
	if err := json.Unmarshal(w.Body.Bytes(), &cert); err != nil || !cert.OK || len(cert.Lines) < 8 {
		t.Fatalf("the certificate of laplace: status %d, %v: %.200s", w.Code, err, w.Body)
	}
	for _, l := range cert.Lines {
		if !l.OK || l.Meaning == "" {
			t.Errorf("the certificate holds, but not its line %+v", l)
		}
	}
}

// Work is cancelled when the client goes, and its place is free for the next.
func TestCancel(t *testing.T) {
	s := New(Config{Jobs: 1})
	server := httptest.NewServer(s)
	defer server.Close()
	info := add(t, s, noisyPicture(1, 96, 96), "x.png")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	q := fmt.Sprintf(`{"picture":%q,"options":{"solver":"pgd","strength":8,"iters":100000,"tol":0}}`, info.ID)
	r, _ := http.NewRequestWithContext(ctx, "POST", server.URL+"/api/v1/restore", strings.NewReader(q))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "text/event-stream")
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	if _, err := w.Body.Read(buf); err != nil { // it has begun
		t.Fatal(err)
	}
	if running, _ := s.heavy.counts(); running != 1 {
		t.Errorf("%d are running", running)
	}
	cancel()
	w.Body.Close()
	for range 1000 {
		if running, _ := s.heavy.counts(); running == 0 {
			if n := s.metrics.cancelled.Load(); n != 1 {
				t.Errorf("%d were cancelled", n)
			}
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("it goes on after the client went")
}

// The server stops while work is under way: what runs is cancelled in the end.
func TestShutdown(t *testing.T) {
	s := New(Config{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Serve(ctx, l) }()
	r, err := http.Get("http://" + l.Addr().String() + "/healthz")
	if err != nil || r.StatusCode != 200 {
		t.Fatal(err)
	}
	r.Body.Close()
	stop()
	select {
	case err := <-stopped:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("it does not stop")
	}
	if _, err := http.Get("http://" + l.Addr().String() + "/healthz"); err == nil {
		t.Error("it still answers")
	}
}

// Whoever asks for much waits for himself.
func TestQueue(t *testing.T) {
	q := newQueue(1, 10)
	greedy, other, second := owner{"10.0.0.1", "a"}, owner{"10.0.0.2", ""}, owner{"10.0.0.1", "b"}
	leave, err := q.enter(context.Background(), greedy)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var order []owner
	var wait sync.WaitGroup
	enter := func(o owner) {
		wait.Add(1)
		_, before := q.counts()
		go func() {
			defer wait.Done()
			leave, err := q.enter(context.Background(), o)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			order = append(order, o)
			mu.Unlock()
			leave()
		}()
		for {
			if _, now := q.counts(); now > before {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
	for range 4 {
		enter(greedy)
	}
	enter(other)
	enter(second)
	leave()
	wait.Wait()
	// The two who have had nothing yet come before the rest of the one who has.
	if len(order) != 6 || order[0] == greedy || order[1] == greedy {
		t.Errorf("the order is %v", order)
	}
	if running, waiting := q.counts(); running != 0 || waiting != 0 {
		t.Errorf("%d running, %d waiting in the end", running, waiting)
	}

	// It does not wait for ever, nor without bound.
	leave, _ = q.enter(context.Background(), greedy)
	ctx, cancel := context.WithCancel(context.Background())
	errs := make(chan error, 10)
	for range 10 {
		go func() {
			_, err := q.enter(ctx, greedy)
			errs <- err
		}()
	}
	for {
		if _, waiting := q.counts(); waiting == 10 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if _, err := q.enter(ctx, greedy); err != errBusy {
		t.Errorf("the eleventh: %v", err)
	}
	cancel()
	for range 10 {
		if err := <-errs; err != context.Canceled {
			t.Errorf("a waiter whose client went: %v", err)
		}
	}
	leave()
	if leave, err := q.enter(context.Background(), other); err != nil {
		t.Error(err)
	} else {
		leave()
	}
}

// The store keeps within its bytes: what goes is of the client that holds the most.
func TestStore(t *testing.T) {
	now := time.Unix(0, 0)
	s := &store{limit: 1000, keep: time.Hour, now: func() time.Time { return now }, items: map[string]*item{}}
	put := func(address string, bytes int64) *item {
		t.Helper()
		it := &item{owner: owner{address, ""}, bytes: bytes}
		now = now.Add(time.Second)
		if err := s.put(it); err != nil {
			t.Fatal(err)
		}
		return it
	}
	small := put("a", 100)
	big1, big2 := put("b", 400), put("b", 400)
	put("a", 200) // one of b's must go, the older
	if s.get(big1.id) != nil || s.get(small.id) == nil || s.get(big2.id) == nil {
		t.Error("room was made of the wrong one")
	}
	if n, bytes := s.counts(); n != 3 || bytes != 700 {
		t.Errorf("%d items of %d bytes", n, bytes)
	}
	if err := s.put(&item{bytes: 1001}); err == nil {
		t.Error("more than there is room for was kept")
	}
	now = now.Add(30 * time.Minute)
	s.get(small.id)
	now = now.Add(45 * time.Minute)
	if s.get(big2.id) != nil || s.get(small.id) == nil {
		t.Error("what nobody asked for in an hour is kept, or what was is not")
	}
	if !s.remove(small.id) || s.remove(small.id) {
		t.Error("removing does not")
	}
	if n, bytes := s.counts(); n != 0 || bytes != 0 {
		t.Errorf("in the end %d items of %d bytes", n, bytes)
	}
}

func TestMetrics(t *testing.T) {
	s := New(Config{})
	body, kind := form(t, "x.png", encoded(t, noisyPicture(1, 24, 24), "png"), "")
	if w := send(s, "POST", "/api/v1/restore", body, "Content-Type", kind); w.Code != 200 {
		t.Fatal(w.Body)
	}
	w := send(s, "GET", "/metrics", nil)
	for _, want := range []string{"lpn_restorations_total 1\n", "lpn_jobs_running 0\n", "# TYPE lpn_requests_total counter\n"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %q in %s", want, w.Body)
		}
	}
}

// FuzzOptions: whatever a client says is understood or refused in one line.
func FuzzOptions(f *testing.F) {
	for _, s := range []string{`{}`, `{"strength":2,"noise":"25/255"}`, `{"operator":"blur:gaussian,sigma=1","boundary":"valid"}`, `{"noise":{"kind":"white"}}`, `{"range":"0:1","gray":true}`, `{"noise":"{\"kind\":\"white\",\"parameters\":{\"sigma\":0.1}}"}`} {
		f.Add(s)
	}
	f.Add(`{"operator":"it's"}`)
	s := New(Config{})
	it := &item{name: "x.png", picture: noisyPicture(1, 8, 8)}
	f.Fuzz(func(t *testing.T, text string) {
		var o Options
		if err := json1([]byte(text), &o); err != nil {
			return
		}
		c, _, err := s.options(o)
		if err == nil {
			_, err = measured.Read(context.Background(), it.picture, c)
		}
		if err != nil && oneLine(err) == "" {
			t.Error("an error without a word")
		}
		if c := s.command("x.png", o); strings.Count(strings.ReplaceAll(c, `\'`, ""), "'")%2 != 0 {
			t.Errorf("quotes do not match: %s", c)
		}
	})
}
