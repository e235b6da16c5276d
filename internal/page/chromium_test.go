package page_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A browser is a headless Chromium that is driven over a pipe by its DevTools protocol:
// JSON messages that end in a zero byte.
type browser struct {
	cmd *exec.Cmd
	out io.WriteCloser

	mu      sync.Mutex
	next    int
	waiting map[int]chan message
	tabs    map[string]*tab // by session
	gone    chan struct{}
}

type message struct {
	ID      int             `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// chromium is the browser's path, "" where none is installed.
func chromium() string {
	for _, name := range []string{os.Getenv("LPN_CHROMIUM"), "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	return ""
}

// the is the browser of all tests, once one has asked for it.
var the struct {
	sync.Once
	browser *browser
	err     error
	profile string
}

// startBrowser starts the browser, or skips the test and says so where there is none.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	path := chromium()
	if path == "" {
		t.Skip("no Chromium is installed (Debian: apt-get install chromium): the journeys are not tested")
	}
	the.Do(func() {
		if the.profile, the.err = os.MkdirTemp("", "lpn-page"); the.err == nil {
			the.browser, the.err = launch(path, the.profile)
		}
	})
	if the.err != nil {
		t.Fatal(the.err)
	}
	return the.browser
}

// TestMain ends the browser when all is done.
func TestMain(m *testing.M) {
	code := m.Run()
	if the.browser != nil {
		the.browser.close()
	}
	if the.profile != "" {
		os.RemoveAll(the.profile)
	}
	os.Exit(code)
}

func launch(path, profile string) (*browser, error) {
	// Chromium reads from descriptor 3 and writes to 4.
	theirIn, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	in, theirOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	b := &browser{out: out, waiting: map[int]chan message{}, tabs: map[string]*tab{}, gone: make(chan struct{})}
	b.cmd = exec.Command(path, "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--no-first-run", "--disable-extensions", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--force-color-profile=srgb", "--hide-scrollbars", "--user-data-dir="+profile, "about:blank")
	b.cmd.ExtraFiles = []*os.File{theirIn, theirOut}
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	theirIn.Close()
	theirOut.Close()
	go b.read(in)
	return b, nil
}

func (b *browser) close() {
	b.call("", "Browser.close", nil, nil)
	b.out.Close()
	done := make(chan struct{})
	go func() { b.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		b.cmd.Process.Kill()
		<-done
	}
}

func (b *browser) read(in io.Reader) {
	defer close(b.gone)
	r := bufio.NewReader(in)
	for {
		line, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(bytes.TrimSuffix(line, []byte{0}), &m) != nil {
			continue
		}
		b.mu.Lock()
		if m.ID != 0 {
			if c := b.waiting[m.ID]; c != nil {
				delete(b.waiting, m.ID)
				c <- m
			}
		} else if tab := b.tabs[m.Session]; tab != nil {
			tab.hear(m)
		}
		b.mu.Unlock()
	}
}

// call calls a method and reads its result into v, where it is not nil.
func (b *browser) call(session, method string, params, v any) error {
	p, err := json.Marshal(params)
	if err != nil {
		return err
	}
	if params == nil {
		p = []byte("{}")
	}
	c := make(chan message, 1)
	b.mu.Lock()
	b.next++
	id := b.next
	b.waiting[id] = c
	text, _ := json.Marshal(message{ID: id, Method: method, Session: session, Params: p})
	_, err = b.out.Write(append(text, 0))
	b.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case m := <-c:
		switch {
		case m.Error != nil:
			return fmt.Errorf("%s: %s", method, m.Error.Message)
		case v != nil:
			return json.Unmarshal(m.Result, v)
		}
		return nil
	case <-b.gone:
		return errors.New("the browser has gone")
	case <-time.After(60 * time.Second):
		return fmt.Errorf("%s: no answer", method)
	}
}

// A tab is a page in a browser.
type tab struct {
	t       *testing.T
	b       *browser
	session string

	mu     sync.Mutex
	errors []string // of scripts, and what the console was told as errors
}

// open opens a tab of a size in pixels at an address.
func (b *browser) open(t *testing.T, address string, w, h int) *tab {
	t.Helper()
	var made struct {
		TargetID string `json:"targetId"`
	}
	tb := &tab{t: t, b: b}
	tb.must(b.call("", "Target.createTarget", map[string]any{"url": "about:blank"}, &made))
	t.Cleanup(func() { b.call("", "Target.closeTarget", map[string]any{"targetId": made.TargetID}, nil) })
	var attached struct {
		SessionID string `json:"sessionId"`
	}
	tb.must(b.call("", "Target.attachToTarget", map[string]any{"targetId": made.TargetID, "flatten": true}, &attached))
	tb.session = attached.SessionID
	b.mu.Lock()
	b.tabs[tb.session] = tb
	b.mu.Unlock()
	tb.do("Runtime.enable", nil)
	tb.do("Log.enable", nil)
	tb.do("Page.enable", nil)
	tb.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": w, "height": h, "deviceScaleFactor": 1, "mobile": false})
	tb.do("Page.navigate", map[string]any{"url": address})
	return tb
}

func (tb *tab) hear(m message) {
	var p struct {
		Exception struct {
			Text      string `json:"text"`
			Exception struct {
				Description string `json:"description"`
			} `json:"exception"`
		} `json:"exceptionDetails"`
		Entry struct {
			Level, Text, URL string
		} `json:"entry"`
	}
	json.Unmarshal(m.Params, &p)
	tb.mu.Lock()
	defer tb.mu.Unlock()
	switch {
	case m.Method == "Runtime.exceptionThrown":
		tb.errors = append(tb.errors, p.Exception.Text+" "+p.Exception.Exception.Description)
	case m.Method == "Log.entryAdded" && p.Entry.Level == "error":
		tb.errors = append(tb.errors, p.Entry.Text+" "+p.Entry.URL)
	}
}

// faults are the errors of scripts so far, which it forgets.
func (tb *tab) faults() []string {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	e := tb.errors
	tb.errors = nil
	return e
}

func (tb *tab) must(err error) {
	tb.t.Helper()
	if err != nil {
		tb.t.Fatal(err)
	}
}

func (tb *tab) do(method string, params any) {
	tb.t.Helper()
	tb.must(tb.b.call(tb.session, method, params, nil))
}

// eval evaluates an expression, a promise too, and reads its value into v.
func (tb *tab) eval(expression string, v any) {
	tb.t.Helper()
	var r struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		Exception *struct {
			Text      string `json:"text"`
			Exception struct {
				Description string `json:"description"`
			} `json:"exception"`
		} `json:"exceptionDetails"`
	}
	tb.must(tb.b.call(tb.session, "Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true}, &r))
	if r.Exception != nil {
		tb.t.Fatalf("%s: %s %s", expression, r.Exception.Text, r.Exception.Exception.Description)
	}
	if v != nil && len(r.Result.Value) > 0 {
		tb.must(json.Unmarshal(r.Result.Value, v))
	}
}

func (tb *tab) text(selector string) (s string) {
	tb.t.Helper()
	tb.eval(fmt.Sprintf("document.querySelector(%q)?.textContent ?? ''", selector), &s)
	return s
}

// wait waits until an expression is true.
func (tb *tab) wait(what, expression string) {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for {
		var ok bool
		tb.eval("(async () => { try { return !!(await ("+expression+")) } catch { return false } })()", &ok)
		if ok {
			return
		}
		select {
		case <-ctx.Done():
			tb.shoot("failed.png")
			tb.t.Fatalf("%s: waited in vain; status: %q; errors: %v", what, tb.text(".status"), tb.faults())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// click clicks the middle of an element with the mouse.
func (tb *tab) click(selector string) {
	tb.t.Helper()
	x, y := tb.middle(selector)
	tb.mouse("mouseMoved", x, y)
	tb.mouse("mousePressed", x, y)
	tb.mouse("mouseReleased", x, y)
}

func (tb *tab) middle(selector string) (x, y float64) {
	tb.t.Helper()
	var at []float64
	tb.eval(fmt.Sprintf(`(() => { const e = document.querySelector(%q); if (!e) return []; e.scrollIntoView({block: "nearest"}); const r = e.getBoundingClientRect(); return r.width ? [r.left + r.width / 2, r.top + r.height / 2] : []; })()`, selector), &at)
	if len(at) != 2 {
		tb.t.Fatalf("%s is not there to be clicked", selector)
	}
	return at[0], at[1]
}

func (tb *tab) mouse(kind string, x, y float64) {
	tb.t.Helper()
	p := map[string]any{"type": kind, "x": x, "y": y}
	if kind != "mouseMoved" {
		p["button"], p["clickCount"] = "left", 1
	} else {
		p["buttons"] = 0
	}
	tb.do("Input.dispatchMouseEvent", p)
}

// drag drags the mouse with the button down.
func (tb *tab) drag(x0, y0, x1, y1 float64) {
	tb.t.Helper()
	tb.mouse("mouseMoved", x0, y0)
	tb.mouse("mousePressed", x0, y0)
	const steps = 8
	for k := 1; k <= steps; k++ {
		f := float64(k) / steps
		tb.do("Input.dispatchMouseEvent", map[string]any{"type": "mouseMoved", "x": x0 + f*(x1-x0), "y": y0 + f*(y1-y0), "button": "left", "buttons": 1})
	}
	tb.mouse("mouseReleased", x1, y1)
}

// drop drops a file on the middle of the page, as a person does.
func (tb *tab) drop(path string) {
	tb.t.Helper()
	abs, err := filepath.Abs(path)
	tb.must(err)
	data := map[string]any{"items": []any{}, "files": []string{abs}, "dragOperationsMask": 1}
	for _, kind := range []string{"dragEnter", "dragOver", "drop"} {
		tb.do("Input.dispatchDragEvent", map[string]any{"type": kind, "x": 400, "y": 300, "data": data})
	}
}

// key presses a key.
func (tb *tab) key(key string) {
	tb.t.Helper()
	tb.do("Input.dispatchKeyEvent", map[string]any{"type": "keyDown", "key": key, "text": map[bool]string{true: key, false: ""}[len(key) == 1]})
	tb.do("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key})
}

// shots is where screenshots are kept, "" for nowhere.
var shots = os.Getenv("LPN_SHOTS")

// shoot takes a screenshot, where they are kept.
func (tb *tab) shoot(name string) {
	tb.t.Helper()
	if shots == "" {
		return
	}
	var r struct {
		Data string `json:"data"`
	}
	tb.must(tb.b.call(tb.session, "Page.captureScreenshot", map[string]any{"format": "png"}, &r))
	b, err := base64.StdEncoding.DecodeString(r.Data)
	tb.must(err)
	tb.must(os.WriteFile(filepath.Join(shots, strings.ReplaceAll(name, "/", "-")), b, 0o666))
}
