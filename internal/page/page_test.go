package page_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/othertest"
	"github.com/lpn-imaging/lpn/internal/page"
	"github.com/lpn-imaging/lpn/lpn/serve"
	"github.com/lpn-imaging/lpn/operators"
)

// serving starts the page with a folder and returns its address.
func serving(t *testing.T, folder, start string) string {
	t.Helper()
	root, err := os.OpenRoot(folder)
	if err != nil {
		t.Fatal(err)
	}
	s := serve.New(serve.Config{Page: page.Files(), Folder: root, Start: start})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		root.Close()
	})
	return s.Address(l.Addr())
}

// noisy writes the middle of the still life with noise to a folder.
func noisy(t *testing.T, folder, name string, h, w int, sigma float64) string {
	t.Helper()
	p, err := imageio.Read("../../assets/images/still-life.png")
	if err != nil {
		t.Fatal(err)
	}
	m := p.Image
	q := *p
	q.Image.H, q.Image.W = min(h, m.H), min(w, m.W)
	q.Pix = make([]float32, q.Len())
	rng := rand.New(rand.NewPCG(1, 2))
	for c := range q.C {
		for y := range q.H {
			for x := range q.W {
				v := m.At(c, y+(m.H-q.H)/2, x+(m.W-q.W)/2)
				q.Pix[(c*q.H+y)*q.W+x] = v + float32(sigma*rng.NormFloat64())
			}
		}
	}
	to := filepath.Join(folder, name)
	if err := imageio.Write(to, &q, imageio.Options{}); err != nil {
		t.Fatal(err)
	}
	return to
}

// The page asks for nothing but itself: no file of it names another machine.
func TestPageIsWhole(t *testing.T) {
	names := 0
	err := fs.WalkDir(page.Files(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		names++
		b, err := fs.ReadFile(page.Files(), name)
		if err != nil {
			return err
		}
		for _, url := range regexp.MustCompile(`(?i)(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}`).FindAll(b, -1) {
			if !bytes.Contains(url, []byte("github.com/leeoniya")) { // the licence of uPlot names its home
				t.Errorf("%s names %s", name, url)
			}
		}
		return nil
	})
	if err != nil || names < 3 {
		t.Errorf("%d files: %v", names, err)
	}
}

// dist is what the sources make, where they can be built.
func TestDistIsBuilt(t *testing.T) {
	node := othertest.Program(t, "node")
	if _, err := os.Stat("node_modules/esbuild"); err != nil {
		t.Skip("no packages are installed (npm ci in internal/page): dist is not held against src")
	}
	to := t.TempDir()
	cmd := exec.Command(node, "build.mjs", to)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"index.html", "app.js", "style.css"} {
		want, err := os.ReadFile(filepath.Join(to, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := fs.ReadFile(page.Files(), name)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("dist/%s is not what src makes: go generate ./internal/page (%v)", name, err)
		}
	}
}

const restored = "lpn.restore.result && !document.querySelector('#go').disabled && /^(Done|Back)/.test(document.querySelector('.status').textContent)"

// A person drops a noisy photograph, sees what happened, compares, changes the strength,
// copies the command and takes the picture along.
func TestJourneyRestore(t *testing.T) {
	folder := t.TempDir()
	photo := noisy(t, folder, "photo.png", 256, 256, 25./255)
	b := startBrowser(t)
	address := serving(t, t.TempDir(), "")
	tb := b.open(t, address, 1280, 800)
	tb.wait("the page", "document.body.dataset.ready !== undefined")
	tb.shoot("empty.png")
	tb.drop(photo)
	tb.wait("restored", restored)
	tb.wait("tiles", "lpn.restore.viewer.settled()")
	story := tb.text(".story")
	for _, want := range []string{"Noise of about 2", "found in the picture", "colour-25", "Certified"} {
		if !strings.Contains(story, want) {
			t.Errorf("what happened does not say %q: %s", want, story)
		}
	}
	if got, want := tb.text(".command"), "lpn restore photo.png -o photo_lpn.png"; got != want {
		t.Errorf("the command is %q, want %q", got, want)
	}
	tb.shoot("restored.png")

	// The wipe follows the mouse.
	var at []float64
	tb.eval("(() => { const r = document.querySelector('.viewer canvas').getBoundingClientRect(); return [r.left, r.top, r.width, r.height]; })()", &at)
	tb.drag(at[0]+at[2]/2, at[1]+at[3]/2, at[0]+0.25*at[2], at[1]+at[3]/2)
	var split float64
	tb.eval("lpn.restore.viewer.splitAt", &split)
	if split < 0.23 || split > 0.27 {
		t.Errorf("the wipe is at %.3f of the width, want a quarter", split)
	}
	// Keys move it, too, and go through the ways to compare.
	tb.eval("document.querySelector('.viewer canvas').focus()", nil)
	tb.key("]")
	tb.eval("lpn.restore.viewer.splitAt", &split)
	if split < 0.28 || split > 0.32 {
		t.Errorf("after a key the wipe is at %.3f", split)
	}
	tb.click("[data-mode=side]")
	tb.shoot("side.png")
	tb.click("[data-mode=extra]")
	tb.wait("tiles", "lpn.restore.viewer.settled()")
	tb.shoot("residual.png")
	tb.click("[data-mode=wipe]")

	// The slider answers in the picture before it is let go.
	tb.eval("(() => { const s = document.querySelector('#strength'); s.value = '0.75'; s.dispatchEvent(new Event('input')); })()", nil)
	tb.wait("an answer to the slider", "document.querySelector('.viewer').dataset.answer")
	answers := tb.answers(5)
	t.Logf("the slider was answered after %.0f ms in the median of %d moves, %.0f at the fastest", answers[len(answers)/2], len(answers), answers[0])
	tb.shoot("strength.png")
	tb.eval("document.querySelector('#strength').dispatchEvent(new Event('change'))", nil)
	tb.wait("restored again", restored+" && lpn.restore.result.strength > 2")
	if got := tb.text(".command"); !strings.Contains(got, "--strength 2.83") {
		t.Errorf("the command is %q, want it with the strength", got)
	}
	// Downloads have the picture's own format.
	var saved struct {
		Type, Name string
		Size       int
	}
	tb.eval(`fetch(document.querySelector('#save').href).then(async r => ({Type: r.headers.get('content-type'), Name: r.headers.get('content-disposition'), Size: (await r.arrayBuffer()).byteLength}))`, &saved)
	if saved.Type != "image/png" || !strings.Contains(saved.Name, "photo_lpn.png") || saved.Size < 1000 {
		t.Errorf("downloaded %+v", saved)
	}

	// A reload brings it back.
	tb.do("Page.reload", nil)
	tb.wait("the page again", "document.body.dataset.ready !== undefined && document.querySelector('.status').textContent.startsWith('Back')")
	var strength string
	tb.eval("document.querySelector('#strength').value", &strength)
	if strength != "0.75" {
		t.Errorf("after a reload the strength is at %q", strength)
	}
	tb.wait("tiles", "lpn.restore.viewer.settled()")

	// Dark, and as narrow as a telephone.
	tb.click("#theme")
	tb.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": true})
	tb.wait("tiles", "lpn.restore.viewer.settled()")
	var wide float64
	tb.eval("document.documentElement.scrollWidth", &wide)
	if wide > 391 {
		t.Errorf("on a telephone the page is %v pixels wide", wide)
	}
	tb.shoot("phone.png")
	// Every control has a name.
	var nameless []string
	tb.eval(`[...document.querySelectorAll('button, input, select, a, canvas[tabindex]')].filter(e => !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length || e.title)).map(e => e.outerHTML.slice(0, 80))`, &nameless)
	for _, e := range nameless {
		t.Errorf("a control without a name: %s", e)
	}
	if e := tb.faults(); len(e) > 0 {
		t.Errorf("errors in the page: %q", e)
	}
}

// answers are the milliseconds from moves of the slider to pictures on the screen, in
// ascending order. It ends with the slider where it was.
func (tb *tab) answers(n int) (ms []float64) {
	tb.t.Helper()
	tb.eval(fmt.Sprintf(`(async () => {
		const s = document.querySelector('#strength'), was = s.value, e = document.querySelector('.viewer'), out = [];
		const until = async (f) => { while (!f()) await new Promise((r) => setTimeout(r, 5)); };
		for (let k = 0; k <= %d; k++) {
			await until(() => lpn.restore.settled);
			delete e.dataset.answer;
			s.value = k === %[1]d ? was : String(0.1 * (k %% 5) - 0.25);
			s.dispatchEvent(new Event('input'));
			await until(() => e.dataset.answer);
			out.push(Number(e.dataset.answer));
		}
		return out.slice(0, -1).sort((a, b) => a - b);
	})()`, n), &ms)
	return ms
}

// A blur is found in the picture, and its kernel shown.
func TestJourneyBlur(t *testing.T) {
	folder := t.TempDir()
	path := noisy(t, folder, "sharp.png", 112, 112, 0)
	p, err := imageio.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := operators.ParseSpec("blur:disk,radius=3")
	if err != nil {
		t.Fatal(err)
	}
	a, err := spec.WithBoundary(operators.Valid).Build(p.Shape)
	if err != nil {
		t.Fatal(err)
	}
	y := operators.NewImage(a.Codomain())
	a.Apply(y.Pix, p.Pix)
	if err := imageio.Write(filepath.Join(folder, "soft.png"), p.With(y, false), imageio.Options{}); err != nil {
		t.Fatal(err)
	}
	b := startBrowser(t)
	tb := b.open(t, serving(t, folder, "soft.png"), 1280, 900)
	tb.wait("restored", restored)
	tb.eval("(() => { const s = [...document.querySelectorAll('select')].find(s => [...s.options].some(o => o.value === 'gaussian')); s.value = 'auto'; s.dispatchEvent(new Event('change')); document.querySelector('#go').click(); })()", nil)
	tb.wait("the blur", "lpn.restore.result.blur && "+restored)
	tb.wait("the kernel", "document.querySelector('.kernel').naturalWidth >= 5")
	if story := tb.text("#view-restore"); !strings.Contains(story, "The blur was undone") || !strings.Contains(story, "Disk radius ") || !strings.Contains(story, "Confidence ") {
		t.Errorf("what happened does not tell of the blur: %s", story)
	}
	var sure float64
	tb.eval("document.querySelector('#blur-confidence').value", &sure)
	if sure < 0.5 || sure > 1 {
		t.Errorf("the confidence is shown as %v", sure)
	}
	// The trace and the spectrum can be taken along.
	var names []string
	tb.eval("Promise.all([...document.querySelectorAll('#view-restore .exports a')].filter(a => /csv|pdf/.test(a.href)).map(a => fetch(a.href).then(r => r.headers.get('content-disposition'))))", &names)
	if got, want := strings.Join(names, " "), "attachment; filename=soft-residual-spectrum.pdf attachment; filename=soft-residual-spectrum.csv attachment; filename=soft_lpn-trace.pdf attachment; filename=soft_lpn-trace.csv"; got != want {
		t.Errorf("exports: %s, want %s", got, want)
	}
	if got, want := tb.text(".command"), "lpn restore --operator blur:auto soft.png -o soft_lpn.png"; got != want {
		t.Errorf("the command is %q, want %q", got, want)
	}
	tb.wait("tiles", "lpn.restore.viewer.settled()")
	tb.shoot("blur.png")
	if e := tb.faults(); len(e) > 0 {
		t.Errorf("errors in the page: %q", e)
	}
}

// A drawing without noise is left as it is, and a blur that the picture does not have is
// found suspect; the page says both.
func TestJourneyDoubt(t *testing.T) {
	folder := t.TempDir()
	drawing := image.NewGray(image.Rect(0, 0, 96, 80))
	for i := range drawing.Pix {
		if drawing.Pix[i] = 255; i/96/10%2 == 0 && i%96/12%2 == 0 {
			drawing.Pix[i] = 0
		}
	}
	var b bytes.Buffer
	png.Encode(&b, drawing)
	if err := os.WriteFile(filepath.Join(folder, "drawing.png"), b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	noisy(t, folder, "photo.png", 64, 64, 25./255)
	tb := startBrowser(t).open(t, serving(t, folder, "drawing.png"), 1100, 900)
	tb.wait("restored", restored)
	if got := tb.text(".headline"); got != "Left as it is: no noise to remove." {
		t.Errorf("a drawing: %q", got)
	}
	if got := tb.text(".facts"); strings.Contains(got, "Prior") || strings.Contains(got, "Solver") {
		t.Errorf("of a drawing that was left alone it tells: %q", got)
	}
	tb.shoot("alone.png")
	tb.eval(`(() => {
		const s = document.querySelectorAll("aside select")[0];
		s.value = "gaussian"; s.dispatchEvent(new Event("change"));
		const k = document.querySelector("#knob-sigma");
		k.value = "4"; k.dispatchEvent(new Event("input"));
		document.querySelector("#strength").value = "-1.5";
	})()`, nil)
	tb.drop(filepath.Join(folder, "photo.png"))
	tb.wait("restored", restored+" && lpn.restore.result.suspect")
	if got := tb.text(".verdict.bad"); !strings.HasPrefix(got, "Suspect: The ") || !strings.Contains(got, "Do not trust this result") {
		t.Errorf("a blur that is none: %q", got)
	}
	tb.shoot("suspect.png")
	if e := tb.faults(); len(e) > 0 {
		t.Errorf("errors in the page: %q", e)
	}
}

// A long restoration is stopped, and the server stops with it.
func TestJourneyStop(t *testing.T) {
	folder := t.TempDir()
	noisy(t, folder, "photo.png", 321, 481, 0.1)
	b := startBrowser(t)
	address := serving(t, folder, "photo.png")
	tb := b.open(t, address, 1100, 700)
	tb.wait("restored", restored) // it opens with that picture
	tb.eval("(() => { document.querySelector('details').open = true; const i = [...document.querySelectorAll('aside input[type=number]')][0]; i.value = '5000'; i.dispatchEvent(new Event('change')); const s = [...document.querySelectorAll('select')].find(s => [...s.options].some(o => o.value === 'pgd')); s.value = 'pgd'; s.dispatchEvent(new Event('change')); })()", nil)
	tb.eval("(() => { const s = document.querySelector('#strength'); s.value = '1.5'; s.dispatchEvent(new Event('change')); })()", nil)
	tb.wait("iterations", "document.querySelector('.status').textContent.startsWith('Iteration') && !document.querySelector('#stop').disabled")
	tb.shoot("running.png")
	tb.click("#stop")
	tb.wait("stopped", "document.querySelector('.status').textContent === 'Stopped.' && !document.querySelector('#go').disabled")
	tb.wait("the server to stop", "fetch('/metrics').then(r => r.text()).then(t => /^lpn_jobs_running 0$/m.test(t) && /^lpn_cancelled_total [1-9]/m.test(t))")
	if e := tb.faults(); len(e) > 0 {
		t.Errorf("errors in the page: %q", e)
	}
}

// A person asks where the prior is surprised, and takes the figure along.
func TestJourneyPrior(t *testing.T) {
	folder := t.TempDir()
	noisy(t, folder, "photo.png", 96, 112, 15./255)
	if err := os.WriteFile(filepath.Join(folder, "log.csv"), []byte("step,seconds,loss,rate,gradient_norm,growth,psnr\n100,1,0.5,0.001,2,0.9,27\n200,2,0.4,0.001,1.5,0.92,28.5\n300,3,0.35,0.001,1.2,0.93,29.25\n40"), 0o666); err != nil {
		t.Fatal(err)
	}
	b := startBrowser(t)
	address := serving(t, folder, "photo.png")
	tb := b.open(t, address, 1280, 800)
	tb.wait("restored", restored)
	choose := func(label, value string) {
		t.Helper()
		tb.eval(fmt.Sprintf(`(() => { const l = [...document.querySelectorAll('#view-prior label')].find(l => l.textContent === %q); const s = document.getElementById(l.htmlFor); s.value = %q; s.dispatchEvent(new Event('change')); })()`, label, value), nil)
	}
	done := "!document.querySelector('#prior-go').disabled && document.querySelector('#view-prior .status').textContent.startsWith('Done')"
	choose("Part in the middle of the view", "64")
	tb.click("#to-prior") // which asks the first question
	tb.wait("a map", done+" && document.querySelectorAll('#view-prior canvas.pixels').length === 2")
	x, y := tb.middle("#view-prior canvas.pixels")
	tb.mouse("mouseMoved", x, y)
	if got := tb.text(".values"); !strings.Contains(got, "nats") || !strings.HasPrefix(got, "Pixel ") {
		t.Errorf("pointing at the picture says %q", got)
	}
	var shown int
	tb.eval("[...document.querySelectorAll('.cross')].filter(c => !c.hidden).length", &shown)
	if shown != 2 {
		t.Errorf("%d crosses are shown, want one on the picture and one on the map", shown)
	}
	tb.shoot("map.png")
	for _, format := range []string{"svg", "pdf", "png", "csv", "npz"} {
		var got struct {
			OK   bool
			Name string
			Head string
		}
		tb.eval(fmt.Sprintf(`fetch([...document.querySelectorAll('#view-prior .exports a')].find(a => a.href.endsWith(%q)).href).then(async r => ({OK: r.ok, Name: r.headers.get('content-disposition'), Head: new TextDecoder('latin1').decode((await r.arrayBuffer()).slice(0, 5))}))`, format), &got)
		if !got.OK || !strings.Contains(got.Name, "photo_lpn-map-colour-25."+format) {
			t.Errorf("export as %s: %+v", format, got)
		}
	}

	choose("Question", "path")
	choose("Part in the middle of the view", "32")
	choose("Change by", "blur")
	tb.click("#prior-go")
	tb.wait("a path", done+" && document.querySelector('#view-prior .uplot') && document.querySelector('.thumb img').naturalWidth === 32")
	tb.eval("(() => { const s = document.querySelector('#view-prior .prior-body input[type=range]'); s.value = s.max; s.dispatchEvent(new Event('input')); })()", nil)
	tb.wait("the picture at the level", "document.querySelector('.thumb figcaption').textContent.startsWith('3')")
	tb.shoot("path.png")

	choose("Question", "slice")
	choose("Prior", "gray-25")
	choose("A measurement, and the solver's path", "10")
	tb.click("#prior-go")
	tb.wait("a landscape", done+" && document.querySelector('canvas.landscape')")
	x, y = tb.middle("canvas.landscape")
	tb.mouse("mouseMoved", x+40, y+30)
	tb.wait("the picture at the point", "document.querySelector('.thumb img').naturalWidth === 32")
	tb.shoot("slice.png")

	choose("Question", "curve")
	tb.click("#prior-go")
	tb.wait("curves", done+" && document.querySelectorAll('#view-prior .uplot').length === 3")
	tb.shoot("curve.png")

	tb.click("#tab-training")
	tb.wait("the log", "document.querySelector('#view-training .status').textContent.includes('29.25') && document.querySelectorAll('#view-training .uplot').length === 5")
	if err := os.WriteFile(filepath.Join(folder, "log.csv"), []byte("step,seconds,loss,rate,gradient_norm,growth,psnr\n100,1,0.5,0.001,2,0.9,27\n200,2,0.4,0.001,1.5,0.92,28.5\n300,3,0.35,0.001,1.2,0.93,29.25\n400,4,0.31,0.001,1.1,0.93,29.75\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	tb.wait("the log to grow", "document.querySelector('#view-training .status').textContent.includes('29.75')")
	tb.shoot("training.png")
	if e := tb.faults(); len(e) > 0 {
		t.Errorf("errors in the page: %q", e)
	}
}

// Two tabs do not mind each other.
func TestJourneyTwoTabs(t *testing.T) {
	folder := t.TempDir()
	one := noisy(t, folder, "one.png", 64, 80, 0.1)
	two := noisy(t, folder, "two.png", 80, 64, 0.05)
	b := startBrowser(t)
	address := serving(t, folder, "")
	tabs := []*tab{b.open(t, address, 900, 600), b.open(t, address, 900, 600)}
	for _, tb := range tabs {
		tb.wait("the page", "document.body.dataset.ready !== undefined")
	}
	tabs[0].drop(one)
	tabs[1].drop(two)
	for k, want := range []string{"lpn restore one.png -o one_lpn.png", "lpn restore two.png -o two_lpn.png"} {
		tabs[k].wait("restored", restored)
		if got := tabs[k].text(".command"); got != want {
			t.Errorf("tab %d: %q, want %q", k, got, want)
		}
	}
	for _, tb := range tabs {
		tb.do("Page.reload", nil)
	}
	for k, want := range []string{"one.png", "two.png"} {
		tabs[k].wait("the page again", "document.body.dataset.ready !== undefined && document.querySelector('.status').textContent.startsWith('Back')")
		if got := tabs[k].text(".story"); !strings.Contains(got, want) {
			t.Errorf("tab %d after a reload: %q, want %s", k, got, want)
		}
		if e := tabs[k].faults(); len(e) > 0 {
			t.Errorf("errors in tab %d: %q", k, e)
		}
	}
}

// A large picture moves smoothly: the page draws a frame while it pans without waiting
// for anything. It has 4 megapixels, or 12 if LPN_LARGE is set.
func TestJourneyLarge(t *testing.T) {
	folder := t.TempDir()
	p, err := imageio.Read("../../assets/images/still-life.png")
	if err != nil {
		t.Fatal(err)
	}
	h, w := 2048, 2048
	if os.Getenv("LPN_LARGE") != "" {
		h, w = 3000, 4000
	}
	q := imageio.Picture{Image: p.Image, Bits: 8, Scale: 255, High: 1, Format: "png"}
	q.H, q.W = h, w
	q.Pix = make([]float32, q.Len())
	for i := range q.Pix {
		c, y, x := i/(h*w), i/w%h, i%w
		q.Pix[i] = p.At(c, y%p.H, x%p.W)
	}
	name := filepath.Join(folder, "large.png")
	if err := imageio.Write(name, &q, imageio.Options{}); err != nil {
		t.Fatal(err)
	}
	b := startBrowser(t)
	tb := b.open(t, serving(t, t.TempDir(), ""), 1000, 700)
	tb.wait("the page", "document.body.dataset.ready !== undefined")
	tb.drop(name)
	tb.wait("the picture", fmt.Sprintf("document.querySelector('.story').textContent.includes('%d × %d')", w, h))
	tb.eval("document.querySelector('#stop').click()", nil)
	tb.wait("tiles", "lpn.restore.viewer.settled()")
	// A frame is what the page draws, until its pixels are there; then the browser has
	// time for the next. Tiles come in meanwhile: the pan goes on to where none is yet.
	var frames, apart []float64
	var both [2][]float64
	tb.eval(`(async () => {
		const v = lpn.restore.viewer, c = document.querySelector('.viewer canvas');
		v.zoom(1);
		await new Promise(r => setTimeout(r, 500));
		c.focus();
		const times = [], apart = [];
		let last = await new Promise(requestAnimationFrame);
		for (let k = 0; k < 120; k++) {
			c.dispatchEvent(new KeyboardEvent('keydown', {key: ['ArrowRight', 'ArrowDown', 'ArrowLeft', 'ArrowUp'][Math.floor(k / 30) % 4]}));
			const t = performance.now();
			v.paint();
			c.getContext('2d').getImageData(0, 0, 1, 1);
			times.push(performance.now() - t);
			const now = await new Promise(requestAnimationFrame);
			apart.push(now - last);
			last = now;
		}
		return [times, apart].map(ts => ts.sort((a, b) => a - b));
	})()`, &both)
	frames, apart = both[0], both[1]
	n := len(frames)
	t.Logf("panning over %d megapixels: a frame was drawn in %.1f ms in the median and %.1f at the slowest; frames were %.1f ms apart in the median and %.1f in the slowest twentieth",
		h*w/1_000_000, frames[n/2], frames[n-1], apart[n/2], apart[n-n/20])
	tb.wait("tiles", "lpn.restore.viewer.settled()")
	tb.shoot("large.png")
	if e := tb.faults(); len(e) > 0 {
		t.Errorf("errors in the page: %q", e)
	}
}

// What the browser is refused it says in words.
func TestJourneyBadFile(t *testing.T) {
	folder := t.TempDir()
	name := filepath.Join(folder, "notes.png")
	if err := os.WriteFile(name, []byte("this is no picture"), 0o666); err != nil {
		t.Fatal(err)
	}
	b := startBrowser(t)
	tb := b.open(t, serving(t, folder, ""), 800, 600)
	tb.wait("the page", "document.body.dataset.ready !== undefined")
	tb.drop(name)
	tb.wait("the refusal", "document.querySelector('.status.bad')")
	if got := tb.text(".status"); !strings.Contains(got, "notes.png") {
		t.Errorf("a file that is no picture: %q", got)
	}
	tb.faults() // the browser's own word of the status 422
}
