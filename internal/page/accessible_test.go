package page_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// axe returns what axe-core finds wrong with the page by the rules of WCAG 2.2, levels A
// and AA; nothing where axe-core is not installed.
func (tb *tab) axe() (faults []string) {
	tb.t.Helper()
	code, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if err != nil {
		return nil
	}
	tb.eval("(() => { if (!window.axe) {"+string(code)+"} })()", nil)
	tb.eval(`axe.run(document, {resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(r =>
		r.violations.flatMap(v => v.nodes.map(n => v.id + ": " + n.html.slice(0, 120) + " - " + n.failureSummary.replace(/\s+/g, " ").slice(0, 200))))`, &faults)
	return faults
}

// faint are the texts on the page whose contrast with what is behind them is below 4.5
// (3 for large ones), as WCAG 2 computes it. Texts over pictures have their own backing.
func (tb *tab) faint() (texts []string) {
	tb.t.Helper()
	tb.eval(`(() => {
		const parse = c => { const m = c.match(/[\d.]+/g).map(Number); return [m[0], m[1], m[2], m[3] ?? 1]; };
		const over = (a, b) => [0, 1, 2].map(k => a[3] * a[k] + (1 - a[3]) * b[k]).concat(1);
		const light = c => { const [r, g, b] = c.slice(0, 3).map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
		const behind = e => { const cs = []; for (; e; e = e.parentElement) cs.push(parse(getComputedStyle(e).backgroundColor)); return cs.reverse().reduce((b, c) => over(c, b), [255, 255, 255, 1]); };
		const out = [];
		const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
		for (let n; (n = walk.nextNode());) {
			const e = n.parentElement, text = n.textContent.trim();
			if (!text || !e.checkVisibility({checkVisibilityCSS: true, checkOpacity: true}) || e.closest(".visually-hidden, script, style, option, :disabled")) continue;
			const s = getComputedStyle(e), b = behind(e), f = over(parse(s.color), b);
			const [hi, lo] = [light(f), light(b)].sort((x, y) => y - x), contrast = (hi + 0.05) / (lo + 0.05);
			const size = parseFloat(s.fontSize), large = size >= 24 || size >= 18.66 && Number(s.fontWeight) >= 700;
			if (contrast < (large ? 3 : 4.5)) out.push(contrast.toFixed(2) + ": " + text.slice(0, 60));
		}
		return out;
	})()`, &texts)
	return texts
}

// Every view can be read in light and dark, by those who see and those who do not, and is
// no wider than a telephone.
func TestAccessible(t *testing.T) {
	folder := t.TempDir()
	noisy(t, folder, "photo.png", 64, 64, 15./255)
	if err := os.WriteFile(filepath.Join(folder, "log.csv"), []byte("step,seconds,loss,rate,gradient_norm,growth,psnr\n100,1,0.5,0.001,2,0.9,27\n200,2,0.4,0.001,1.5,0.92,28.5\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	b := startBrowser(t)
	if _, err := os.Stat("node_modules/axe-core"); err != nil {
		t.Log("axe-core is not installed (npm ci in internal/page): only contrast, names and widths are checked")
	}
	tb := b.open(t, serving(t, folder, ""), 1280, 800)
	look := func(view string) {
		t.Helper()
		for _, dark := range []bool{false, true} {
			scheme := map[bool]string{false: "light", true: "dark"}[dark]
			tb.do("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}}})
			for _, text := range tb.faint() {
				t.Errorf("%s, %s: contrast %s", view, scheme, text)
			}
			if !dark || view == "restored" { // dark differs in its colours alone
				for _, fault := range tb.axe() {
					t.Errorf("%s, %s: %s", view, scheme, fault)
				}
			}
			tb.shoot(fmt.Sprintf("wide-%s-%s.png", view, scheme))
		}
		tb.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": true})
		var wide []string
		tb.eval(`(async () => { await new Promise(r => setTimeout(r, 100)); return document.documentElement.scrollWidth <= 390 ? [] : [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > 391 && e.checkVisibility() && !e.closest(".scroll, .visually-hidden")).map(e => e.outerHTML.slice(0, 80)); })()`, &wide)
		if len(wide) > 0 {
			t.Errorf("%s: wider than a telephone: %q", view, wide)
		}
		tb.shoot(fmt.Sprintf("phone-%s-dark.png", view))
		tb.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": 1280, "height": 800, "deviceScaleFactor": 1, "mobile": false})
	}
	tb.wait("the page", "document.body.dataset.ready !== undefined")
	look("empty")
	tb.drop(filepath.Join(folder, "photo.png"))
	tb.wait("restored", restored)
	tb.eval("document.querySelectorAll('details').forEach(d => d.open = true)", nil)
	tb.wait("tiles", "lpn.restore.viewer.settled()")
	look("restored")
	tb.click("#help")
	look("keys")
	tb.eval("document.querySelector('#keys').close()", nil)

	choose := func(label, value string) {
		t.Helper()
		set, _ := json.Marshal([]string{label, value})
		tb.eval(fmt.Sprintf(`(([label, value]) => { const l = [...document.querySelectorAll('#view-prior label')].find(l => l.textContent === label); const s = document.getElementById(l.htmlFor); s.value = value; s.dispatchEvent(new Event('change')); })(%s)`, set), nil)
	}
	choose("Part in the middle of the view", "32")
	choose("Prior", "gray-25")
	choose("Compare with", "gray-15")
	for _, what := range []string{"map", "path", "slice", "curve", "verify"} {
		choose("Question", what)
		if what == "slice" { // one is enough
			choose("Compare with", "")
			choose("A measurement, and the solver's path", "0")
		}
		if what == "verify" { // of a small one
			choose("Prior", "digits")
		}
		if what == "map" { // opening the view asks for it
			tb.click("#tab-prior")
		} else {
			tb.click("#prior-go")
		}
		tb.wait(what, "!document.querySelector('#prior-go').disabled && document.querySelector('#view-prior .status').textContent.startsWith('Done')")
		look(what)
	}
	tb.click("#tab-training")
	tb.wait("the log", "document.querySelector('#view-training .status').textContent.includes('28.5')")
	look("training")
	// The keyboard reaches every control of a view, and shows where it is.
	var lost []string
	tb.click("#tab-restore")
	tb.eval(`[...document.querySelectorAll("#view-restore button, #view-restore select, #view-restore input, #view-restore canvas, #view-restore a")].filter(e => e.checkVisibility() && !e.disabled && e.tabIndex >= 0 && !e.classList.contains("visually-hidden")).filter(e => { e.focus({focusVisible: true}); const s = getComputedStyle(e); return document.activeElement !== e || s.outlineStyle === "none" || parseFloat(s.outlineWidth) < 2; }).map(e => e.outerHTML.slice(0, 80))`, &lost)
	if len(lost) > 0 {
		t.Errorf("the focus does not show: %s", strings.Join(lost, "\n"))
	}
	if e := tb.faults(); len(e) > 0 {
		t.Errorf("errors in the page: %q", e)
	}
}
