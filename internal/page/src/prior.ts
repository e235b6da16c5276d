// The prior view: where a picture surprises a prior, how that changes along a path, the
// landscape around it, curves of priors for numbers, and the certificate.
import { type About, type CurveAnswer, type MapAnswer, type PathAnswer, type Picture, type Prior, type SliceAnswer, type Verified, type Window4, aborted, image, post, postImage, stream } from "./api";
import { Chart, exports } from "./chart";
import { Latest, clear, css, el, field, num, saved, say, scrolled, select } from "./dom";
import { shared } from "./state";
import type { Viewer } from "./viewer";

const changes: [string, string][] = [["noise", "noise"], ["blur", "blur"], ["intensity", "dimming"], ["rotation", "rotation"], ["occlusion", "a gray square"], ["mix", "the other picture"]];

export class PriorView {
  private body = el("div", { class: "prior-body" });
  private what: HTMLSelectElement;
  private side: HTMLSelectElement;
  private picture: HTMLSelectElement;
  private prior: HTMLSelectElement;
  private others: HTMLSelectElement; // to compare with
  private go: HTMLButtonElement;
  private stop: HTMLButtonElement;
  private bar = el("progress", { max: 1, hidden: true, "aria-label": "Progress" });
  private status = el("p", { class: "status", role: "status" });
  private extra = el("div");
  private work = new Latest();
  private choice: Record<string, string> = { perturb: "noise", u: "noise", v: "blur", noise: "25", grid: "7" };

  constructor(root: HTMLElement, private about: About, private priors: Prior[], private viewer: Viewer) {
    const named: [string, string][] = priors.filter((p) => !p.scalar).map((p) => [p.name, p.name]);
    this.what = select([["map", "Where is it surprised?"], ["path", "Along a path"], ["slice", "The landscape around"], ["curve", "Priors for numbers"], ["verify", "The certificate"]], () => this.ask());
    this.picture = select([["restored", "the restored picture"], ["picture", "the input picture"]], () => undefined);
    this.side = select([["32", "32 × 32"], ["64", "64 × 64"], ["128", "128 × 128"], ["256", "256 × 256"], ["512", "512 × 512"]], () => undefined);
    this.side.value = "128";
    this.prior = select([["", "the one that fits"], ...named], () => undefined);
    this.others = el("select", { multiple: true, size: 4 }, ...named.map(([value, text]) => el("option", { value }, text)));
    this.go = el("button", { class: "primary", id: "prior-go", onclick: () => this.run() }, "Show");
    this.stop = el("button", { disabled: true, id: "prior-stop", onclick: () => { this.work.stop(); this.idle("Stopped."); } }, "Stop");
    root.append(
      el("div", { class: "stage scroll" }, this.body),
      el("aside", {}, el("section", { class: "card controls" },
        field("Question", this.what), field("About", this.picture), field("Part in the middle of the view", this.side),
        field("Prior", this.prior), field("Compare with", this.others, "Ctrl and click chooses several, or none."), this.extra,
        el("div", { class: "row" }, this.go, this.stop), this.bar, this.status),
        el("section", { class: "card faint" }, el("p", {}, "R/σ² is the network's estimate of the negative logarithm of a picture's probability, up to a constant. Its unit is the nat: with one nat more a picture is e times less likely. To compute R, f is inverted. The residual says how exactly; the true R exceeds the number by at most the gap."))));
    this.body.append(el("p", { class: "hint" }, "Choose a question and press Show."));
    shared.onchange.push(() => this.available());
    this.ask();
    this.available();
  }
  private available(): void {
    this.picture.options[0].disabled = !shared.restored;
    if (!shared.restored) this.picture.value = "picture";
    else if (this.picture.value === "picture" && !this.touched) this.picture.value = "restored";
    this.picture.onchange = () => { this.touched = true; };
  }
  private touched = false;

  private ask(): void {
    clear(this.extra);
    const add = (key: string, label: string, options: [string, string][]) => {
      const s = select(options, (v) => { this.choice[key] = v; });
      s.value = this.choice[key];
      s.id = `prior-${key}`;
      this.extra.append(field(label, s));
    };
    const dirs: [string, string][] = [["noise", "noise"], ["blur", "blur"], ["grad", "minus the gradient of R"], ["other", "the other picture"]];
    if (this.what.value === "slice" && Number(this.side.value) > 64) this.side.value = "32"; // hundreds of inversions
    switch (this.what.value) {
      case "path": add("perturb", "Change by", changes); break;
      case "slice":
        add("u", "First direction", dirs);
        add("v", "Second direction", dirs);
        add("grid", "Points each way", [["7", "7, quick"], ["11", "11"], ["15", "15, slow"]]);
        add("noise", "A measurement, and the solver's path", [["0", "none: the prior alone"], ["10", "noise 10/255"], ["25", "noise 25/255"], ["50", "noise 50/255"]]);
        break;
    }
    const numbers = this.what.value === "curve", picture = !numbers && this.what.value !== "verify";
    for (const c of [this.picture, this.side]) c.parentElement!.hidden = !picture;
    this.prior.parentElement!.hidden = numbers;
    this.others.parentElement!.hidden = numbers;
  }

  // opened answers the first question when the view is opened with a picture.
  opened(): void {
    if (this.fresh && shared.picture) this.run();
  }
  private fresh = true;

  private idle(text: string): void {
    this.go.disabled = false;
    this.stop.disabled = true;
    this.bar.hidden = true;
    this.status.textContent = text;
    say(text);
  }

  async run(): Promise<void> {
    const signal = this.work.start(), what = this.what.value;
    const target = this.picture.value === "restored" && shared.restored ? shared.restored : shared.picture;
    if (!target && what !== "curve" && what !== "verify") { this.idle("Open a picture in the restore view first."); return; }
    this.fresh = false;
    this.go.disabled = true;
    this.stop.disabled = false;
    this.status.classList.remove("bad");
    this.status.textContent = what === "verify" ? "Probing the network. This may take a minute…" : "Inverting the network…";
    this.bar.hidden = false;
    this.bar.removeAttribute("value");
    const start = performance.now();
    const progress = (event: string, data: any) => {
      if (event === "waiting") this.status.textContent = "Waiting for others…";
      if (event === "progress") { this.bar.value = data.done / data.total; this.status.textContent = `${data.done} of ${data.total}`; }
    };
    try {
      const names = [...new Set([this.prior.value, ...[...this.others.selectedOptions].map((o) => o.value)])];
      switch (what) {
        case "map": await this.map(target!, names, progress, signal); break;
        case "path": await this.path(target!, names, progress, signal); break;
        case "slice": await this.slice(target!, names, progress, signal); break;
        case "curve": await this.curve(signal); break;
        case "verify": await this.verify(names, signal); break;
      }
      this.idle(`Done in ${num((performance.now() - start) / 1000, 2)} s.`);
    } catch (e) {
      if (aborted(e)) return;
      this.idle(e instanceof Error ? e.message : String(e));
      this.status.classList.add("bad");
    }
  }

  // window is the part that is asked about, in the middle of what the viewer shows.
  private window(p: Picture): Window4 {
    const most = Number(this.side.value), v = this.viewer.visible(most);
    const [w, h] = [Math.min(most, p.width), Math.min(most, p.height)];
    const cx = v[0] + v[2] / 2, cy = v[1] + v[3] / 2;
    return [Math.round(Math.min(p.width - w, Math.max(0, cx - w / 2))), Math.round(Math.min(p.height - h, Math.max(0, cy - h / 2))), w, h];
  }
  private other(): string {
    const o = this.picture.value === "restored" ? shared.picture : shared.restored;
    if (!o) throw new Error("There is no other picture: restore one first.");
    return o.id;
  }

  private async map(p: Picture, names: string[], progress: (e: string, d: any) => void, signal: AbortSignal): Promise<void> {
    const window = this.window(p);
    const shown = await bitmap(postImage("/api/v1/changed", { picture: p.id, window, perturb: "noise", level: 0 }, signal));
    const maps: MapAnswer[] = [];
    for (const prior of names) maps.push(await stream<MapAnswer>("/api/v1/prior/map", { picture: p.id, window, prior: prior || undefined }, progress, signal));
    const tiles = await Promise.all(maps.map((m) => bitmap(image(`${m.picture.tiles}/0/0/0`, signal))));
    const readout = el("p", { class: "values", "aria-live": "off" }, "Point at a pixel. The cross marks the same pixel in every image.");
    const panes = [shown, ...tiles].map((b, k) => {
      const c = el("canvas", { class: "pixels", width: b.width, height: b.height, tabIndex: 0, role: "img", "aria-label": k === 0 ? p.name : `R over ${p.name}, ${maps[k - 1].prior}` });
      c.getContext("2d")!.drawImage(b, 0, 0);
      return c;
    });
    const crosses = panes.map(() => el("i", { class: "cross", hidden: true }));
    let x = -1, y = -1;
    const point = (nx: number, ny: number) => {
      x = Math.min(window[2] - 1, Math.max(0, nx));
      y = Math.min(window[3] - 1, Math.max(0, ny));
      crosses.forEach((c) => { c.hidden = false; c.style.left = `${100 * (x + 0.5) / window[2]}%`; c.style.top = `${100 * (y + 0.5) / window[3]}%`; });
      readout.textContent = `Pixel ${window[0] + x}, ${window[1] + y}: ` + maps.map((m) => `${num(m.values[y * m.width + x], 3)} nats (${m.prior})`).join(", ");
    };
    panes.forEach((c) => {
      c.addEventListener("pointermove", (e) => { const r = c.getBoundingClientRect(); point(Math.floor((e.clientX - r.left) / r.width * window[2]), Math.floor((e.clientY - r.top) / r.height * window[3])); });
      c.addEventListener("keydown", (e) => {
        const d = ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] } as Record<string, number[]>)[e.key];
        if (d) { e.preventDefault(); point(x + d[0], y + d[1]); say(readout.textContent!); }
      });
    });
    this.body.replaceChildren(
      el("div", { class: "panes" }, ...panes.map((c, k) => el("figure", {}, el("div", { class: "pane" }, c, crosses[k]),
        el("figcaption", {}, k === 0 ? `${p.name}, ${window[2]} × ${window[3]} pixels from ${window[0]}, ${window[1]}` : `R/σ² a pixel, ${maps[k - 1].prior}`),
        k > 0 && this.scale(maps[k - 1].low, maps[k - 1].high, "nats")))),
      readout,
      ...maps.map((m) => el("section", { class: "card" },
        el("p", {}, el("strong", {}, `${m.prior}: `), `${num(m.total, 6)} nats over ${m.values.length} pixels, ${num(m.total / m.values.length, 3)} a pixel. `, errors(m.residual, m.gap), ` The values of the pixels add up to R within ${num(Math.abs(m.quadrature), 2)} nats; this rest is divided evenly among them.`), exports(m.figure))),
      el("p", { class: "faint" }, "Bright pixels are improbable. Edges and texture have high values, flat parts low ones. Remaining noise is bright everywhere."));
  }

  private scale(lo: number, hi: number, unit: string): HTMLElement {
    const strip = el("div", { class: "scale-bar" });
    strip.style.background = `linear-gradient(to right, ${this.about.colours.growing.join(",")})`;
    return el("div", { class: "scale" }, el("span", {}, num(lo, 3)), strip, el("span", {}, `${num(hi, 3)} ${unit}`));
  }

  private async path(p: Picture, names: string[], progress: (e: string, d: any) => void, signal: AbortSignal): Promise<void> {
    const window = this.window(p), change = { perturb: this.choice.perturb, with: this.choice.perturb === "mix" ? this.other() : undefined };
    const a = await stream<PathAnswer>("/api/v1/prior/path", { picture: p.id, window, priors: names, ...change }, progress, signal);
    const levels = a.paths[0].levels;
    const thumb = el("img", { class: "pixels", alt: "", width: 192 }), caption = el("figcaption", {}, "Point at the curve to see the picture of that level.");
    const cache = new Map<number, Promise<string>>();
    let shown = -1;
    const show = async (k: number) => {
      if (k === shown) return;
      shown = k;
      if (!cache.has(k)) cache.set(k, postImage("/api/v1/changed", { picture: p.id, window, ...change, level: levels[k] }).then((b) => URL.createObjectURL(b)));
      const url = await cache.get(k)!;
      if (k !== shown) return;
      thumb.src = url;
      thumb.alt = `${p.name} at ${a.paths[0].parameter} ${num(levels[k])}`;
      caption.textContent = `${num(levels[k])}: ` + a.paths.map((r) => `${num(r.values[k])} (${r.prior})`).join(", ");
    };
    const chart = new Chart({ label: "R/σ² a sample along the path", x: a.paths[0].parameter, y: "nats a sample", height: 280, onhover: (k) => { if (k !== null) show(k); } });
    const slider = el("input", { type: "range", min: "0", max: String(levels.length - 1), value: "0", step: "1", "aria-label": "Level", oninput: () => show(Number(slider.value)) });
    this.body.replaceChildren(chart.element, el("div", { class: "row" }, el("span", {}, "Level"), slider), el("figure", { class: "thumb" }, thumb, caption), exports(a.figure),
      table(["level", ...a.paths.flatMap((r) => [`${r.prior}, nats a sample`, "gap", "residual"])],
        levels.map((l, k) => [num(l), ...a.paths.flatMap((r) => [num(r.values[k]), num(r.gaps[k], 2), num(r.residuals[k], 2)])])));
    chart.set(levels, a.paths.map((r) => ({ name: r.prior, y: r.values, points: true, ...upTo(r.values, r.gaps) })));
    await show(0);
  }

  private async slice(p: Picture, names: string[], progress: (e: string, d: any) => void, signal: AbortSignal): Promise<void> {
    const window = this.window(p);
    const dir = (d: string) => (d === "other" ? this.other() : d);
    const slices: SliceAnswer[] = [];
    for (const prior of names) slices.push(await stream<SliceAnswer>("/api/v1/prior/slice", {
      picture: p.id, window, prior: prior || undefined, dirs: [dir(this.choice.u), dir(this.choice.v)],
      grid: Number(this.choice.grid), noise: Number(this.choice.noise) / 255, span: 1,
    }, progress, signal));
    const colours = this.about.colours.growing.map(parse);
    const lands = slices.map((a) => new Landscape(a, colours));
    const thumb = el("img", { class: "pixels", alt: "the picture at the point", width: 192 }), caption = el("figcaption");
    const latest = new Latest();
    let x = 0, y = 0, timer = 0; // of the point, in units of samples
    const point = (nx: number, ny: number) => {
      const a = slices[0], reach = a.a[a.a.length - 1] * a.length;
      x = Math.max(-reach, Math.min(reach, nx));
      y = Math.max(-reach, Math.min(reach, ny));
      for (const l of lands) l.paint(x, y);
      caption.textContent = `${num(x / a.length, 3)} towards ${a.u}, ${num(y / a.length, 3)} towards ${a.v}: about ` +
        lands.map((l) => `${num(l.at(x, y), 6)} nats (${l.a.prior})`).join(", ") + ", interpolated between the points of the grid";
      clearTimeout(timer);
      timer = window_.setTimeout(async () => {
        try {
          const b = await image(`${a.at}?a=${x / a.length}&b=${y / a.length}`, latest.start());
          URL.revokeObjectURL(thumb.src);
          thumb.src = URL.createObjectURL(b);
        } catch { /* a newer one is on its way */ }
      }, 40);
    };
    for (const l of lands) l.listen(point, () => [x, y], () => say(caption.textContent!));
    this.body.replaceChildren(
      el("div", { class: "panes" }, ...lands.map((l) => el("figure", {}, l.canvas,
        el("figcaption", {}, `${l.a.prior}; across: towards ${l.a.u}; up: towards ${l.a.v}; one unit is σ√n = ${num(l.a.length, 3)}`), this.scale(l.lo, l.hi, l.a.fidelity ? "nats, h/s² + R/σ²" : "nats, R/σ²"))),
        el("figure", { class: "thumb" }, thumb, caption)),
      el("p", {}, "The picture is in the middle. The twelve contours divide the values on the grid into thirteen parts of equal number.",
        slices.some((a) => a.way?.length) ? " The line is the path of the solver, from the measurement to the filled circle, projected onto the plane." : ""),
      ...slices.map((a) => {
        const gaps = a.gaps.filter((v): v is number => v !== null), last = a.way?.[a.way.length - 1];
        return el("section", { class: "card" }, el("p", {}, el("strong", {}, `${a.prior}: `), errors(Math.max(...a.residuals), gaps.length ? Math.max(...gaps) : null, "the worst point has"),
          last ? ` The end of the solver's path is ${num(last.off, 3)} units from the plane.` : ""), exports(a.figure));
      }));
    point(0, 0);
  }

  private async curve(signal: AbortSignal): Promise<void> {
    const a = await post<CurveAnswer>("/api/v1/prior/curve", { priors: this.priors.filter((p) => p.scalar).map((p) => p.name) }, signal);
    const xs = a.curves[0].x;
    const charts = ([
      ["f, the denoiser", "y", "f(y)", (c) => c.f, [["soft threshold (MAP)", a.truth.map], ["posterior mean", a.truth.mean]]],
      ["R, the prior", "x", "R(x) − minimum", (c) => c.r, [["|x|/b, the truth", a.truth.r]]],
      ["ψ, with f = ψ′", "y", "ψ(y)", (c) => c.psi, []],
    ] as [string, string, string, (c: CurveAnswer["curves"][0]) => (number | null)[], [string, number[]][]][]).map(([label, x, y, of, truth]) => {
      const chart = new Chart({ label, x, y, height: 220 });
      return { chart, lines: [...a.curves.map((c) => ({ name: c.prior, y: of(c), ...(of(c) === c.r ? upTo(c.r, c.gaps) : {}) })), ...truth.map(([name, v]) => ({ name, y: v, dash: true }))] };
    });
    const most = (vs: (number | null)[]) => Math.max(...vs.map((v) => v ?? Infinity));
    this.body.replaceChildren(...charts.map((c) => c.chart.element), exports(a.figure),
      table(["prior", "f − MAP, largest", "f − mean", "f − median", "R, root mean square error", "largest gap of R", "largest residual"],
        a.curves.map((c, k) => [c.prior, num(a.errors[k].map, 3), num(a.errors[k].mean, 3), num(a.errors[k].median, 3), num(a.errors[k].r, 3), num(most(c.gaps), 2), num(most(c.residuals), 2)])));
    for (const c of charts) c.chart.set(xs, c.lines);
  }

  private async verify(names: string[], signal: AbortSignal): Promise<void> {
    const fits = shared.picture?.channels === 3 ? "colour-25" : "gray-25";
    const found: [string, Verified][] = [];
    for (const name of new Set(names.map((n) => n || fits))) found.push([name, await post<Verified>("/api/v1/prior/verify", { prior: name }, signal)]);
    const head = () => el("thead", {}, el("tr", {}, ...["property", "found", "wanted", "verdict", "what it means"].map((t) => el("th", { scope: "col" }, t))));
    const part = (v: Verified, proved: boolean) => scrolled(proved ? "Proved properties" : "Measured properties", el("table", { class: "certificate" }, head(),
      el("tbody", {}, ...v.lines.filter((l) => l.proved === proved).map((l) => el("tr", {},
        el("th", { scope: "row" }, l.what), el("td", {}, l.value), el("td", {}, l.wanted), el("td", { class: l.ok ? "good" : "bad" }, l.ok ? "holds" : "FAILS"), el("td", { class: "meaning" }, l.meaning))))));
    this.body.replaceChildren(...found.map(([name, v]) => el("section", { class: "card" },
      el("h2", { class: v.ok ? "good" : "bad" }, v.ok ? `${name} is an exact proximal operator` : `${name} is not certified: ${(v.reasons ?? []).join("; ")}`),
      el("p", {}, v.ok ? "So it is the denoiser of one function R with a minimum, which a solver can lower step by step." : "A solver that uses it has no guarantee."),
      el("h3", {}, "Proved for every picture"), part(v, true),
      el("h3", {}, `Measured on ${v.probes} random images of ${v.shape[2]} × ${v.shape[1]} pixels`), part(v, false),
      el("p", { class: "exports" }, "Export: ", saved(`certificate-${name}.csv`, "CSV", "text/csv", certificateCSV(name, v)), " ", saved(`certificate-${name}.json`, "JSON", "application/json", JSON.stringify(v, null, 2))))));
  }
}

// A Landscape draws a slice, with contours at quantiles of the grid, as in the figures.
// Points are in units of samples, so that slices of priors of other noise levels agree.
class Landscape {
  readonly canvas: HTMLCanvasElement;
  readonly lo: number;
  readonly hi: number;
  private back = new OffscreenCanvas(480, 480);
  private reach: number;

  constructor(readonly a: SliceAnswer, colours: number[][]) {
    this.reach = a.a[a.a.length - 1] * a.length;
    const known = a.z.filter((v): v is number => v !== null).sort((x, y) => x - y);
    [this.lo, this.hi] = [known[0], known[known.length - 1]];
    this.canvas = el("canvas", { class: "landscape", width: 480, height: 480, tabIndex: 0, role: "img", "aria-label": `R of ${a.prior} over ${a.u} and ${a.v}; arrows move the point` });
    const levels = Array.from({ length: 12 }, (_v, k) => known[Math.floor((k + 1) / 13 * (known.length - 1))]);
    const g = this.back.getContext("2d")!, data = g.createImageData(480, 480);
    const band = (v: number) => levels.findIndex((l) => v < l);
    const height = (x: number, y: number) => this.grid(x / 479, 1 - y / 479);
    for (let y = 0; y < 480; y++) for (let x = 0; x < 480; x++) {
      const v = height(x, y);
      const edge = x < 479 && y < 479 && (band(v) !== band(height(x + 1, y)) || band(v) !== band(height(x, y + 1)));
      const c = Number.isNaN(v) ? [128, 128, 128] : mix(colours, (v - this.lo) / (this.hi - this.lo));
      data.data.set(edge ? [...c.map((b) => (b + 255) / 2 | 0), 255] : [...c, 255], 4 * (y * 480 + x));
    }
    g.putImageData(data, 0, 0);
  }
  // grid is the height at u and v from 0 to 1, bilinear between the points of the grid.
  private grid(u: number, v: number): number {
    const n = this.a.a.length;
    const i = Math.min(n - 2, Math.max(0, Math.floor(u * (n - 1)))), j = Math.min(n - 2, Math.max(0, Math.floor(v * (n - 1))));
    const s = u * (n - 1) - i, t = v * (n - 1) - j, z = (jj: number, ii: number) => this.a.z[jj * n + ii] ?? NaN;
    return (1 - t) * ((1 - s) * z(j, i) + s * z(j, i + 1)) + t * ((1 - s) * z(j + 1, i) + s * z(j + 1, i + 1));
  }
  at(x: number, y: number): number {
    return Math.abs(x) > this.reach * 1.0001 || Math.abs(y) > this.reach * 1.0001 ? NaN : this.grid((x / this.reach + 1) / 2, (y / this.reach + 1) / 2);
  }
  // paint draws the landscape with the path of the solver, and a cross at the point.
  paint(x: number, y: number): void {
    const g = this.canvas.getContext("2d")!, k = this.a.length / this.reach;
    const px = (u: number) => (u * k + 1) * 240, py = (v: number) => (1 - v * k) * 240;
    g.drawImage(this.back, 0, 0);
    const way = this.a.way ?? [];
    for (const [width, colour] of [[5, "#000"], [2.5, "#fff"]] as const) {
      g.strokeStyle = colour;
      g.lineWidth = width;
      g.beginPath();
      way.forEach((s, n) => (n ? g.lineTo(px(s.a), py(s.b)) : g.moveTo(px(s.a), py(s.b))));
      g.stroke();
    }
    way.forEach((s, n) => {
      const last = n === way.length - 1;
      g.fillStyle = last ? css("--line-1") : "#fff";
      g.beginPath();
      g.arc(px(s.a), py(s.b), last ? 6 : 3, 0, 7);
      g.fill();
      g.strokeStyle = "#000";
      g.lineWidth = 1;
      g.stroke();
    });
    const cx = px(x / this.a.length), cy = py(y / this.a.length);
    for (const [width, colour] of [[3, "#000"], [1.5, "#fff"]] as const) {
      g.strokeStyle = colour;
      g.lineWidth = width;
      g.beginPath();
      g.moveTo(cx - 9, cy); g.lineTo(cx + 9, cy); g.moveTo(cx, cy - 9); g.lineTo(cx, cy + 9);
      g.stroke();
    }
  }
  // listen calls move with the point that the mouse or the arrows choose.
  listen(move: (x: number, y: number) => void, from: () => [number, number], moved: () => void): void {
    this.canvas.addEventListener("pointermove", (e) => {
      const r = this.canvas.getBoundingClientRect();
      move(((e.clientX - r.left) / r.width * 2 - 1) * this.reach, (1 - (e.clientY - r.top) / r.height * 2) * this.reach);
    });
    this.canvas.addEventListener("keydown", (e) => {
      const d = ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] } as Record<string, number[]>)[e.key];
      if (!d) return;
      e.preventDefault();
      const [x, y] = from();
      move(x + d[0] * this.reach / 20, y + d[1] * this.reach / 20);
      moved();
    });
  }
}

const window_ = window;

// upTo is the band that holds the true values, from the lower bounds found to those plus
// their gaps. One that could not be seen would only crowd the legend; tables have its numbers.
function upTo(values: (number | null)[], gaps: (number | null)[]): { lo?: (number | null)[]; hi?: (number | null)[] } {
  const known = values.filter((v): v is number => v !== null), range = Math.max(...known) - Math.min(...known);
  if (!gaps.some((g) => g !== null && g > range / 500)) return {};
  return { lo: values, hi: values.map((v, k) => (v === null || gaps[k] === null ? v : v + gaps[k]!)) };
}

function errors(residual: number, gap: number | null, who = "The inversion has"): string {
  return `${who} a residual of ${num(residual, 2)} and a gap of at most ${num(gap, 2)} nats.`;
}

function table(head: string[], rows: string[][]): HTMLElement {
  return scrolled("Numbers", el("table", {}, el("thead", {}, el("tr", {}, ...head.map((h) => el("th", { scope: "col" }, h)))), el("tbody", {}, ...rows.map((r) => el("tr", {}, ...r.map((c) => el("td", {}, c)))))));
}

// certificateCSV is a certificate as a tidy table.
function certificateCSV(prior: string, v: Verified): string {
  const cell = (s: string) => (/[",\n]/.test(s) ? `"${s.replaceAll('"', '""')}"` : s);
  return ["prior,property,proved,found,wanted,holds,meaning", ...v.lines.map((l) => [prior, l.what, String(l.proved), l.value, l.wanted, String(l.ok), l.meaning].map(cell).join(","))].join("\n") + "\n";
}

const bitmap = async (b: Promise<Blob>): Promise<ImageBitmap> => createImageBitmap(await b);

const parse = (hex: string): number[] => [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));

function mix(table: number[][], t: number): number[] {
  const at = Math.min(1, Math.max(0, t)) * (table.length - 1), k = Math.min(table.length - 2, Math.floor(at)), s = at - k;
  return table[k].map((v, i) => Math.round((1 - s) * v + s * table[k + 1][i]));
}

