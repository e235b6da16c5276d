// The restore view: a picture, what happened to it, and how to do it again.
import { type About, type Iterate, type Look, type Options, type Picture, type Plan, type Planned, type Prior, type Restored, aborted, get, post, stream, upload } from "./api";
import { Chart, exports } from "./chart";
import { Latest, clear, el, field, num, say, select } from "./dom";
import { recall, save, saved, share, shared } from "./state";
import { type Mode, Viewer } from "./viewer";

interface Knob { key: string; label: string; value: number; min: number; max: number; step: number }

// What the camera did, as people say it; spec is that of the command.
const cameras: { id: string; text: string; knobs: Knob[]; spec: (v: Record<string, number>, file: string) => string; file?: string; boundary?: boolean; missing?: string }[] = [
  { id: "", text: "Let the file decide", knobs: [], spec: () => "" },
  { id: "denoise", text: "Noise only", knobs: [], spec: () => "denoise" },
  { id: "gaussian", text: "Blur: out of focus, soft", knobs: [{ key: "sigma", label: "Width", value: 1.6, min: 0.3, max: 6, step: 0.1 }], spec: (v) => `blur:gaussian,sigma=${v.sigma}`, boundary: true },
  { id: "disk", text: "Blur: out of focus, lens disk", knobs: [{ key: "radius", label: "Radius", value: 3, min: 0.5, max: 15, step: 0.5 }], spec: (v) => `blur:disk,radius=${v.radius}`, boundary: true },
  { id: "motion", text: "Blur: camera moved", knobs: [{ key: "length", label: "Length", value: 9, min: 2, max: 41, step: 1 }, { key: "angle", label: "Angle", value: 0, min: 0, max: 179, step: 1 }], spec: (v) => `blur:motion,length=${v.length},angle=${v.angle}`, boundary: true },
  { id: "auto", text: "Blur: found in the picture", knobs: [], spec: () => "blur:auto", boundary: true },
  { id: "kernel", text: "Blur: kernel from a file", knobs: [], spec: (_v, f) => `blur:kernel=${f}`, file: "Kernel", boundary: true },
  { id: "sr", text: "Too few pixels", knobs: [{ key: "factor", label: "Factor", value: 2, min: 2, max: 4, step: 1 }], spec: (v) => `sr:factor=${v.factor}`, boundary: true },
  { id: "mask", text: "Missing pixels, from a mask", knobs: [], spec: (_v, f) => `inpaint:mask=${f}`, file: "Mask (white: known)" },
  { id: "alpha", text: "Missing pixels: the transparent ones", knobs: [], spec: () => "", missing: "alpha" },
  { id: "jpeg", text: "JPEG compression", knobs: [], spec: () => "jpeg" },
];

const level = (v: number): string => `${num(255 * v, 3)}/255`;
const about = (v: number): string => `${255 * v < 10 ? num(255 * v, 2) : Math.round(255 * v)}/255`; // what is estimated

const sentence = (s: string): string => { const t = s.trim(); return t && t[0].toUpperCase() + t.slice(1) + (/[.!?]$/.test(t) ? "" : "."); };

const verdict = (kind: string, what: string, text: string): HTMLElement =>
  el("p", { class: `verdict ${kind}` }, el("strong", {}, `${what}: `), el("span", {}, text));

// foundNoise is the noise as the estimate words it, for the controls of this page.
function foundNoise(q: Plan): string {
  const line = q.noise_line?.replace(/^noise: /, "").replace(/--noise ([\d.]+\/255) to remove more/, "choose Noise: given, $1, to remove more");
  return line || `about ${level(q.noise)}`;
}

// headline says in one sentence what a restoration did, or does.
function headline(p: Planned, r?: Restored): string {
  const q = p.plan, noise = q.estimated ? `noise of about ${about(q.noise)}` : `noise of ${level(q.noise)}`;
  const kind = q.operator.split(":")[0];
  const [now, then] = ({
    denoise: q.lambda > 0 ? [`Removing ${noise}…`, `${noise} was removed`] : ["There is nothing to remove…", "nothing was removed"],
    blur: ["Undoing the blur…", `the blur was undone, and ${noise} removed`],
    sr: ["Enlarging…", `the picture was enlarged, and ${noise} removed`],
    inpaint: ["Filling missing pixels…", `missing pixels were filled, and ${noise} removed`],
    jpeg: ["Undoing JPEG compression…", "what JPEG compression took was undone"],
  } as Record<string, [string, string]>)[kind] ?? ["Restoring…", "the picture was restored"];
  if (!r) return now;
  if (!r.left_alone && r.suspect) return sentence(`${then}; but the result is suspect`);
  if (!r.left_alone) return sentence(then + (q.missing && kind === "denoise" ? `, and ${q.missing} missing samples filled` : ""));
  const why = (r.note ?? "").replace(/[:;]? ?(it is )?left as it is[:;]? ?/, "");
  return sentence(`Left as it is${why ? `: ${why}` : ""}`);
}

// words explains what a newcomer meets in the story.
const words: [string, string][] = [
  ["Noise 25/255", "the standard deviation of the grain, where black is 0 and white 255"],
  ["Prior", "what a network has learned of how pictures look: a function R, small for likely pictures"],
  ["Objective", "distance to your picture plus λ times R; the solver makes it small"],
  ["Strength", "how much the prior counts against your picture; 1 is what the noise asks for"],
  ["Certified", "a theorem guarantees that the solver went down to where the objective no longer changes"],
  ["Suspect", "the result contradicts your picture, or looks like no picture: noise or operator are probably wrong"],
  ["Left as it is", "nothing could be removed without harm, so the result is your picture"],
];

export class RestoreView {
  readonly viewer = new Viewer("no picture yet");
  private work = new Latest();
  private looks = new Latest();
  private planning = new Latest();
  private last?: Restored;
  private planned?: Planned;
  private recalled = saved.options; // before the controls write theirs
  private file = ""; // id of the kernel or mask
  private drop: HTMLElement;
  private camera: HTMLSelectElement;
  private knobs = el("div");
  private noiseKind: HTMLSelectElement;
  private noise: HTMLInputElement;
  private noiseOut = el("output");
  private strength: HTMLInputElement;
  private strengthOut = el("output");
  private prior: HTMLSelectElement;
  private solver: HTMLSelectElement;
  private boundary: HTMLSelectElement;
  private light: HTMLSelectElement;
  private slow = el("small");
  private iters: HTMLInputElement;
  private gray: HTMLInputElement;
  private ensemble: HTMLInputElement;
  private go: HTMLButtonElement;
  private stop: HTMLButtonElement;
  private bar = el("progress", { max: 1, value: 0, hidden: true, "aria-label": "Progress" });
  private status = el("p", { class: "status", role: "status" });
  private story = el("div", { class: "story" });
  private command = el("code", { tabIndex: 0, class: "command", "aria-label": "The same on the command line" });
  private commandBox: HTMLElement;
  private download: HTMLElement;
  private objective = new Chart({ label: "Objective and residual by iteration", x: "iteration", y: "above the minimum", logY: true, height: 160 });
  private chartBox: HTMLElement;
  private traceExports = el("div");
  private residual = el("div");
  private blur = el("div");
  private modes: HTMLElement;
  private files = el("div");
  private values: Record<string, number> = {};

  constructor(root: HTMLElement, about: About, priors: Prior[]) {
    const input = el("input", { type: "file", id: "file", class: "visually-hidden", accept: "image/*,.npy,.tif,.tiff,.fits,.dcm,.pgm,.ppm,.pfm,.exr", onchange: () => { if (input.files?.[0]) this.open(input.files[0]); input.value = ""; } });
    this.drop = el("div", { class: "drop" },
      el("p", {}, el("strong", {}, "Drop a noisy or blurred picture here")),
      el("p", {}, el("label", { for: "file", class: "button primary" }, "Choose a picture"), input),
      el("p", { class: "faint" }, "It stays on this machine."), this.files);
    this.camera = select(cameras.map((c) => [c.id, c.text]), () => this.cameraChosen());
    this.noiseKind = select([["auto", "found in the picture"], ["given", "given"]], () => this.changed());
    this.noise = el("input", { type: "range", min: "0", max: "75", step: "1", value: "15", "aria-label": "Noise in 255ths", oninput: () => this.changed() });
    this.strength = el("input", { type: "range", min: "-2", max: "2", step: "0.05", value: "0", oninput: () => this.strengthMoved(), onchange: () => this.strengthLeft() });
    this.prior = select([["", "the one that fits"], ...priors.filter((p) => !p.scalar).map((p): [string, string] => [p.name, `${p.name} (${p.channels === 1 ? "gray" : "colour"}, ${num(255 * p.sigma, 3)}/255)`])], () => this.changed());
    this.solver = select([["", "bpg, certified"], ...about.solvers.filter((s) => s !== "bpg").map((s): [string, string] => [s, s])], () => this.changed());
    this.boundary = select([["", "the default"], ["symmetric", "mirrored"], ["valid", "unknown (photographs)"], ["circular", "circular"], ["replicate", "repeated"], ["zero", "black"]], () => this.changed());
    this.light = select([["", "found out"], ["linear", "light, as in a camera"], ["srgb", "the numbers, as in a program"]], () => this.changed());
    this.iters = el("input", { type: "number", min: "1", max: "100000", placeholder: "200", onchange: () => this.changed() });
    this.gray = el("input", { type: "checkbox", onchange: () => this.changed() });
    this.ensemble = el("input", { type: "checkbox", onchange: () => this.changed() });
    this.go = el("button", { class: "primary", id: "go", onclick: () => this.run() }, "Restore");
    this.stop = el("button", { id: "stop", disabled: true, onclick: () => this.cancel() }, "Stop");
    this.commandBox = el("section", { class: "card", hidden: true }, el("h2", {}, "The same on the command line"), this.command,
      el("button", { id: "copy", onclick: (e: Event) => this.copy(e.target as HTMLButtonElement) }, "Copy"));
    this.download = el("p", { id: "download" });
    this.chartBox = el("section", { class: "card", hidden: true }, el("h2", {}, "Objective"), this.objective.element, this.traceExports);
    this.modes = el("div", { class: "modes", role: "toolbar", "aria-label": "Ways to compare" },
      ...(["wipe", "side", "flicker", "before", "after", "extra"] as Mode[]).map((m) => el("button", { "data-mode": m, "aria-pressed": String(m === "wipe"), hidden: m === "extra", onclick: () => this.viewer.setMode(m) }, { wipe: "Wipe", side: "Side by side", flicker: "Flicker", before: "Before", after: "After", extra: "Residual" }[m])),
      el("span", { class: "grow" }),
      el("button", { title: "The whole picture (0)", onclick: () => this.viewer.fit() }, "Fit"),
      el("button", { title: "One image pixel per screen pixel (1)", onclick: () => this.viewer.zoom(1) }, "1:1"),
      el("button", { title: "Zoom in (+)", "aria-label": "Zoom in", onclick: () => this.viewer.zoom(this.viewer.zoomed * 2) }, "+"),
      el("button", { title: "Zoom out (−)", "aria-label": "Zoom out", onclick: () => this.viewer.zoom(this.viewer.zoomed / 2) }, "−"));
    this.viewer.onmode = (m) => { for (const b of this.modes.querySelectorAll<HTMLElement>("[data-mode]")) b.setAttribute("aria-pressed", String(b.dataset.mode === m)); };
    const again = el("label", { for: "file", class: "button", title: "Open another picture" }, "Open…");
    root.append(
      el("div", { class: "stage" }, this.viewer.element, this.drop, this.modes),
      el("aside", {},
        el("section", { class: "card controls" },
          el("div", { class: "row" }, again, this.go, this.stop),
          field("What the camera did", this.camera), this.knobs,
          el("div", { class: "field" }, el("label", { for: (this.noiseKind.id = "noise-kind") }, "Noise"), this.noiseKind, el("div", { class: "row", id: "noise-row" }, this.noise, this.noiseOut)),
          el("div", { class: "field" }, el("label", { for: (this.strength.id = "strength") }, "Strength"), el("div", { class: "row" }, this.strength, this.strengthOut), this.slow),
          el("details", {}, el("summary", {}, "More"), field("Prior", this.prior), field("Solver", this.solver), field("Beyond the edge", this.boundary), field("A blur acts on", this.light), field("Iterations at most", this.iters),
            el("label", { class: "check" }, this.gray, " in gray"), el("label", { class: "check" }, this.ensemble, " average over flips and rotations (8 times the work)")),
          this.bar, this.status),
        el("section", { class: "card", id: "story-card" }, el("h2", {}, "What happened"), this.story),
        this.commandBox, this.blur, this.residual, this.chartBox));
    this.story.append(el("p", { class: "faint" }, "Open a picture first."));
    this.cameraChosen();
    this.listenDrop(root);
    this.viewer.onmove = () => { if (this.patched) this.strengthMoved(); };
    this.showChoice(false);
  }

  private listenDrop(root: HTMLElement): void {
    const stop = (e: DragEvent) => { e.preventDefault(); if (e.dataTransfer) e.dataTransfer.dropEffect = "copy"; };
    document.addEventListener("dragover", (e) => { stop(e); root.classList.add("dropping"); });
    document.addEventListener("dragleave", (e) => { if (!e.relatedTarget) root.classList.remove("dropping"); });
    document.addEventListener("drop", (e) => {
      stop(e);
      root.classList.remove("dropping");
      const f = e.dataTransfer?.files[0];
      if (f) this.open(f);
    });
    document.addEventListener("paste", (e) => {
      const f = [...(e.clipboardData?.files ?? [])][0];
      if (f) this.open(f);
    });
  }

  // begin shows what a reload left, or the picture that the program was started with.
  async begin(): Promise<void> {
    if (this.recalled) this.setOptions(this.recalled);
    const [before, after] = await Promise.all([recall(saved.picture), recall(saved.restored)]);
    const list = await get<{ start: string; files: string[]; more: boolean }>("/api/v1/files");
    if (list.files.length) {
      const s = select([["", "…"], ...list.files.map((f): [string, string] => [f, f])], (f) => { if (f) this.openNamed(f); });
      this.files.append(field(list.more ? "Or choose a file of the folder (the first thousand)" : "Or choose a file of the folder", s));
    }
    if (before) {
      this.take(before, after);
      if (after) this.done("Back where you were.");
      return;
    }
    if (saved.picture) this.status.textContent = "The last picture was removed from memory. Open it again.";
    if (list.start) await this.openNamed(list.start);
  }

  private async open(f: File): Promise<void> { await this.opened(f.name, upload(f)); }
  private async openNamed(file: string): Promise<void> { await this.opened(file, post<Picture>("/api/v1/pictures", { file })); }
  private async opened(name: string, coming: Promise<Picture>): Promise<void> {
    this.cancel();
    this.done(`Reading ${name}…`);
    try {
      this.take(await coming);
    } catch (e) {
      this.failed(e);
      return;
    }
    await this.run();
  }
  private take(p: Picture, restored?: Picture): void {
    this.last = this.planned = undefined;
    this.looks.stop();
    this.look = "none";
    this.patched = false;
    this.viewer.setExtra(undefined, "");
    this.viewer.show(p, restored);
    share(p, restored);
    this.showChoice(true);
    this.story.replaceChildren(el("p", {}, `${p.name}: ${p.width} × ${p.height} pixels, ${p.channels === 1 ? "gray" : "colour"}, ${p.bits} bits${p.jpeg_quality ? `, JPEG of quality ${p.jpeg_quality}` : ""}.`));
    clear(this.residual);
    clear(this.blur);
    this.chartBox.hidden = this.commandBox.hidden = true;
    if (restored) this.offer(restored);
    this.plan();
  }
  private showChoice(open: boolean): void {
    this.drop.hidden = open;
    this.modes.hidden = !open;
    this.go.disabled = !open;
    this.strength.disabled = !open;
    this.viewer.element.hidden = !open;
  }

  private cameraChosen(): void {
    const c = cameras[this.camera.selectedIndex];
    clear(this.knobs);
    for (const k of c.knobs) {
      this.values[k.key] ??= k.value;
      const out = el("output", {}, String(this.values[k.key]));
      const input = el("input", { type: "range", min: String(k.min), max: String(k.max), step: String(k.step), value: String(this.values[k.key]), oninput: () => { this.values[k.key] = Number(input.value); out.textContent = input.value; this.changed(); } });
      input.id = `knob-${k.key}`;
      this.knobs.append(el("div", { class: "field" }, el("label", { for: input.id }, k.label), el("div", { class: "row" }, input, out)));
    }
    if (c.file) {
      const input = el("input", { type: "file", onchange: async () => {
        if (!input.files?.[0]) return;
        try { this.file = (await upload(input.files[0])).id; this.changed(); } catch (e) { this.failed(e); }
      } });
      this.knobs.append(field(c.file, input));
    }
    this.changed();
  }

  options(): Options {
    const c = cameras[this.camera.selectedIndex], o: Options = {};
    const spec = c.file && !this.file ? "" : c.spec(this.values, this.file);
    if (spec) o.operator = spec;
    if (c.boundary && this.boundary.value) o.boundary = this.boundary.value;
    if (c.boundary && this.light.value) o.light = this.light.value;
    if (c.missing) o.missing = c.missing;
    if (this.noiseKind.value === "given") o.noise = `${this.noise.value}/255`;
    if (this.prior.value) o.prior = this.prior.value;
    if (this.solver.value) o.solver = this.solver.value;
    if (this.iters.value) o.iters = Number(this.iters.value);
    if (this.gray.checked) o.gray = true;
    if (this.ensemble.checked) o.ensemble = true;
    if (Number(this.strength.value) !== 0) o.strength = this.factor();
    return o;
  }
  private setOptions(o: Options): void {
    const text = o.operator ?? "";
    const id = o.missing ?? (text === "" ? "" : text.startsWith("blur:kernel") ? "kernel" : text.startsWith("inpaint:mask") ? "mask" : /^blur:(\w+)/.exec(text)?.[1] ?? /^\w+/.exec(text)?.[0] ?? "");
    if (cameras.some((c) => c.id === id)) this.camera.value = id;
    for (const [, k, v] of text.matchAll(/(\w+)=([\d.]+)(?=,|$)/g)) this.values[k] = Number(v);
    if (id === "kernel" || id === "mask") this.file = text.slice(text.indexOf("=") + 1);
    this.cameraChosen();
    if (o.noise !== undefined) { this.noiseKind.value = "given"; this.noise.value = String(o.noise).split("/")[0]; }
    this.prior.value = o.prior ?? "";
    this.solver.value = o.solver ?? "";
    this.boundary.value = o.boundary ?? "";
    this.light.value = o.light ?? "";
    this.iters.value = o.iters ? String(o.iters) : "";
    this.gray.checked = !!o.gray;
    this.ensemble.checked = !!o.ensemble;
    if (o.strength !== undefined) this.strength.value = String(Math.log2(Number(o.strength)) / 2);
    this.changed();
  }
  private factor(): number { return Number(Math.pow(4, Number(this.strength.value)).toPrecision(3)); }

  private showStrength(): void {
    const text = Number(this.strength.value) === 0 ? "auto" : `× ${this.factor()}`;
    this.strengthOut.textContent = text;
    this.strength.setAttribute("aria-valuetext", text);
    this.slow.textContent = !this.planned || this.planned.plan.lambda > 0
      ? `Left removes less, right more. ${!this.planned || this.planned.parts ? "The framed part of the picture follows at once, the rest" : "The picture follows"} when you let go.`
      : "There is no noise to remove. To denoise all the same, give the noise above.";
  }

  // changed follows the controls; nothing is restored until it is asked for.
  private changed(): void {
    this.noise.hidden = this.noiseKind.value !== "given";
    this.noiseOut.textContent = this.noise.hidden ? (this.planned ? `${num(255 * this.planned.plan.noise, 3)}/255` : "") : `${this.noise.value}/255`;
    this.showStrength();
    save({ options: this.options() });
    if (shared.picture) this.plan();
  }
  private planTimer = 0;
  private plan(): void {
    clearTimeout(this.planTimer);
    this.planTimer = window.setTimeout(async () => {
      if (!shared.picture || this.busy) return;
      try {
        const o = this.options();
        delete o.strength;
        this.planned = await post<Planned>("/api/v1/plan", { picture: shared.picture.id, options: o }, this.planning.start());
        if (this.noiseKind.value === "auto") this.noiseOut.textContent = `${num(255 * this.planned.plan.noise, 3)}/255`;
      } catch (e) {
        if (!aborted(e)) this.failed(e);
      }
    }, 250);
  }

  private busy = false;
  private setBusy(on: boolean): void {
    this.busy = on;
    this.go.disabled = on || !shared.picture;
    this.stop.disabled = !on;
    this.bar.hidden = !on;
    if (!on) this.bar.value = 0;
  }
  private done(text: string): void { this.status.textContent = text; this.status.classList.remove("bad"); say(text); }
  private failed(e: unknown): void {
    if (aborted(e)) return;
    const text = e instanceof Error ? e.message : String(e);
    this.status.textContent = text;
    this.status.classList.add("bad");
    say(text);
  }
  private cancel(): void { if (this.busy) { this.work.stop(); this.setBusy(false); this.viewer.setLive(undefined); this.done("Stopped."); } }

  async run(): Promise<void> {
    const p = shared.picture;
    if (!p) return;
    const signal = this.work.start();
    this.planning.stop();
    this.looks.stop();
    this.look = "none";
    this.setBusy(true);
    clear(this.traceExports);
    this.done("Looking at the picture…");
    const trace: Iterate[] = [];
    const live = new Image();
    live.onload = () => { if (this.busy && !signal.aborted) this.viewer.setLive(live); };
    try {
      const r = await stream<Restored>("/api/v1/restore", { picture: p.id, options: this.options(), side: 512 }, (event, data) => {
        if (event === "waiting") this.done("Waiting for others…");
        if (event === "plan") {
          this.planned = data as Planned;
          this.tell(this.planned);
          this.done("Restoring…");
          this.bar.removeAttribute("value");
        }
        if (event !== "iterate") return;
        const it = data as Iterate;
        if (it.image) live.src = it.image;
        if (it.windows > 1) {
          this.bar.value = (it.window + it.k / it.iters) / it.windows;
          this.status.textContent = `Window ${it.window + 1} of ${it.windows}, iteration ${it.k}`;
          return;
        }
        if (it.k === 1) trace.length = 0;
        trace.push(it);
        this.status.textContent = `Iteration ${it.k}: objective ${num(it.objective, 6)}`;
        this.chart(trace);
      }, signal);
      this.finish(p, r);
    } catch (e) {
      this.viewer.setLive(undefined);
      if (!signal.aborted) this.failed(e);
    } finally {
      if (!signal.aborted) this.setBusy(false);
    }
  }
  private finish(p: Picture, r: Restored): void {
    this.last = r;
    this.patched = false;
    this.viewer.call(r.left_alone ? "left as it is" : "restored");
    this.viewer.show(p, r.picture, true);
    share(p, r.picture);
    if (this.planned) this.tell(this.planned, r);
    if (r.trace) this.chart(r.trace);
    this.traceExports.replaceChildren(...(r.figure ? [exports(r.figure)] : []));
    this.offer(r.picture);
    this.command.textContent = r.command;
    this.commandBox.hidden = false;
    this.showResidual(r);
    this.done(`Done: ${r.iterations} iteration${r.iterations === 1 ? "" : "s"} in ${num(r.seconds, 2)} s.`);
  }
  private chart(trace: Iterate[]): void {
    const known = trace.filter((t) => t.objective !== null);
    this.chartBox.hidden = known.length < 2;
    if (known.length < 2) return;
    const least = Math.min(...known.map((t) => t.objective!));
    // The last point stands on its own least: it is shown at a tenth of the one before.
    const above = known.map((t) => t.objective! - least);
    const floor = Math.min(...above.filter((v) => v > 0)) / 3;
    this.objective.set(known.map((t) => t.k), [
      { name: "objective above the minimum", y: above.map((v) => Math.max(v, floor)), points: known.length < 30 },
      { name: "residual", y: known.map((t) => t.residual), dash: true },
    ]);
  }
  private offer(p: Picture): void {
    const format = select([["", `as the input (${p.format || "png"})`], ["png", "PNG"], ["tiff", "TIFF"], ["jpeg", "JPEG"], ["npy", "NumPy"]], (f) => { link.href = p.url + (f ? `?format=${f}` : ""); });
    format.setAttribute("aria-label", "Format");
    const link = el("a", { class: "button primary", id: "save", href: p.url, download: "" }, "Download");
    this.download.replaceChildren(link, " ", format, el("small", { class: "block faint" }, "Keeps the colour profile, bit depth and metadata of the input."));
  }

  // tell says what was decided, and what came of it.
  private tell(p: Planned, r?: Restored): void {
    const q = p.plan;
    if (this.noiseKind.value === "auto") this.noiseOut.textContent = level(q.noise);
    this.showStrength();
    const facts: [string, string][] = [], same = !!r?.left_alone;
    if (p.choice && !q.blur && !(same && q.lambda > 0)) facts.push(["The file", p.choice]);
    facts.push(["Noise", q.estimated ? `${foundNoise(q)}, found in the picture` : p.choice && q.noise === 0 ? "next to none" : `${level(q.noise)}, given`]);
    if (q.operator !== "denoise") facts.push(["Operator", q.operator.replaceAll(",", ", ")]);
    if (q.light_line) facts.push(["Light", q.light_line]);
    if (q.lambda > 0 && !same) {
      const used = q.sigma / q.scale, as = Math.abs(used / q.sigma - 1) < 0.05 ? "" : `, used here as one for ${level(used)}`;
      facts.push(["Prior", `${q.prior}, trained on pictures with noise of ${level(q.sigma)}${as}${q.per_channel ? ", on each channel" : ""}`]);
      const asks = q.operator.startsWith("jpeg") ? "what the rounding in the file asks for" : "what the noise asks for";
      facts.push(["Strength", `${r && r.strength !== 1 ? `${num(r.strength, 3)} times ` : ""}${asks} (λ = ${num(r?.lambda ?? q.lambda, 3)})`]);
    }
    if (q.windows) facts.push(["Memory", `the picture is solved in ${q.windows.count} windows of ${q.windows.side} pixels`]);
    if (r && q.lambda > 0 && !same) facts.push(["Solver", `${r.solver}, ${r.iterations} iteration${r.iterations === 1 ? "" : "s"}, ${r.converged ? "converged" : "not converged"}: ${r.reason}`]);
    const verdicts: HTMLElement[] = [];
    for (const remark of p.remarks ?? []) verdicts.push(verdict("warn", "Note", sentence(remark)));
    if (r?.note && !same) verdicts.push(verdict("warn", "Changed on the way", sentence(r.note)));
    if (r?.suspect) verdicts.push(verdict("bad", "Suspect", `${sentence(r.suspect)} Do not trust this result without looking at it.`));
    if (same && q.lambda > 0 && q.operator === "denoise") verdicts.push(verdict("warn", "To denoise all the same", "move the strength: what you choose is done."));
    if (r && !same) verdicts.push(r.certified
      ? verdict("good", "Certified", "The solver's theorem covers this run: the objective fell at every iteration. It does not say that noise and operator are right.")
      : verdict("warn", "Not certified", sentence(r.uncertified || "no theorem covers this run")));
    this.story.replaceChildren(el("p", { class: "headline" }, headline(p, r)), ...verdicts,
      el("dl", { class: "facts" }, ...facts.flatMap(([k, v]) => [el("dt", {}, k), el("dd", {}, v)])),
      el("details", {}, el("summary", {}, "All decisions, with reasons"), el("pre", {}, p.words.join("\n"))),
      el("details", {}, el("summary", {}, "What the words mean"), el("dl", { class: "words" }, ...words.flatMap(([k, v]) => [el("dt", {}, k), el("dd", {}, v)]))));
    if (r) this.story.append(this.download, el("p", {}, el("button", { id: "to-prior", onclick: () => document.getElementById("tab-prior")!.click() }, "See what surprises the prior")));
    this.showBlur(p);
  }

  // showBlur shows the blur that was found in the picture, and how sure that is.
  private showBlur(p: Planned): void {
    clear(this.blur);
    const b = p.plan.blur;
    if (!b) return;
    const sure = b.confidence >= 0.5 || b.sharp, id = "blur-confidence";
    this.blur.append(el("section", { class: "card" }, el("h2", {}, "The blur that was found"),
      el("div", { class: "row top" },
        p.kernel && !b.sharp && el("figure", {}, el("img", { class: "kernel", src: p.kernel, alt: `The kernel, ${b.size} pixels wide: what a point became` }), el("figcaption", {}, `kernel, ${b.size} × ${b.size} pixels`)),
        el("div", { class: "grow" }, el("p", {}, sentence((p.choice ?? "").replace(/^blur: /, "").replace(/, confidence .*/, ""))),
          ...(b.sharp ? [] : [el("label", { for: id }, `Confidence ${num(b.confidence, 2)}`), el("meter", { id, min: 0, max: 1, low: 0.5, high: 0.75, optimum: 1, value: b.confidence })]))),
      el("p", { class: sure ? "" : "warn" }, b.sharp ? "The picture is sharp: there is no blur to undo." : sure ? (Object.keys(b.parameters).length ? "The intervals hold the truth 95 times of 100." : "Parts of the picture agree on this kernel.") : "This is not sure: parts of the picture suggest other blurs. Compare before and after.",
        b.varies ? " The blur varies over the picture; the kernel is that of the part with most edges." : "")));
  }

  private showResidual(r: Restored): void {
    clear(this.residual);
    this.viewer.setExtra(r.residual?.picture ?? undefined, "residual, −3 to 3 standard deviations of the noise");
    this.modes.querySelector<HTMLElement>("[data-mode=extra]")!.hidden = !r.residual?.picture;
    if (!r.residual) return;
    const w = r.residual.whiteness;
    const spectrum = el("canvas", { width: 32, height: 32, class: "spectrum", role: "img", "aria-label": "Spectrum of the residual, zero frequency in the middle" });
    const card = el("section", { class: "card" }, el("h2", {}, "Residual"),
      el("p", {}, `The standard deviation of the residual is ${num(w.deviation, 3)} times that of the noise. Neighbouring pixels have a correlation of ${num(w.correlation, 2)}. `,
        w.deviation > 1.3 ? "That is more than the noise: part of the image was removed, too." : w.deviation < 0.8 ? "That is less than the noise: a part of it was kept." : w.correlation > 0.25 ? "White noise would have 0: part of the image was removed, too." : "White noise has 1 and 0."),
      r.residual.picture && el("button", { onclick: () => this.viewer.setMode("extra") }, "Show the residual"));
    if (w.spectrum && w.radial) {
      const g = spectrum.getContext("2d")!, data = g.createImageData(32, 32), top = Math.max(2, ...w.spectrum);
      w.spectrum.forEach((v, i) => { const b = 255 * Math.sqrt(v / top); data.data.set([b, b, b, 255], 4 * i); });
      g.putImageData(data, 0, 0);
      const chart = new Chart({ label: "Spectrum of the residual by frequency", x: "cycles a pixel", y: "of the noise", height: 140 });
      card.append(el("div", { class: "row top" }, el("figure", {}, spectrum, el("figcaption", {}, "Spectrum")), el("div", { class: "grow" }, chart.element)));
      if (r.residual.figure) card.append(exports(r.residual.figure));
      chart.set(w.radial.map((_v, k) => k / 32), [{ name: "residual", y: w.radial }, { name: "white noise", y: w.radial.map(() => 1), dash: true }]);
    }
    this.residual.append(card);
  }

  // strengthMoved restores the part in view at once. While the first answer to a move is on
  // its way a further one waits for it: the slider asks faster than anyone can answer.
  private patched = false;
  private look: "none" | "asked" | "moved" = "none";
  private async strengthMoved(): Promise<void> {
    this.showStrength();
    const p = shared.picture;
    if (!p || this.busy || (this.planned && !this.planned.parts) || (shared.restored && shared.restored.width !== p.width)) return;
    if (this.look !== "none") { this.look = "moved"; return; }
    this.look = "asked";
    this.patched = true;
    if (this.viewer.mode === "before" || this.viewer.mode === "extra") this.viewer.setMode("after");
    const window = this.viewer.visible(256), asked = performance.now(), strength = this.factor();
    const options = this.options();
    delete options.strength;
    const signal = this.looks.start();
    let drawn = 0;
    // answered lets the next move ask.
    const answered = () => {
      if (this.look === "none" || signal.aborted) return;
      const again = this.look === "moved";
      this.look = "none";
      if (again) this.strengthMoved();
    };
    const show = async (look: Look) => {
      const image = await decoded(look.image);
      if (signal.aborted || look.k < drawn) return; // a later one was decoded sooner
      drawn = look.k;
      this.viewer.setPatch({ image, rect: look.window });
      if (this.look === "none") return;
      const ms = Math.round(performance.now() - asked);
      this.viewer.element.dataset.answer = String(ms);
      this.status.textContent = `Strength ${strength}: shown after ${ms} ms`;
      answered();
    };
    try {
      await show(await stream<Look>("/api/v1/look", { picture: p.id, options, strength, window }, (event, data) => { if (event === "iterate") show(data as Look); }, signal));
    } catch (e) {
      if (!aborted(e)) this.failed(e);
      answered();
    }
  }
  private strengthLeft(): void { this.changed(); this.run(); }

  private async copy(button: HTMLButtonElement): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.command.textContent ?? "");
      button.textContent = "Copied";
    } catch {
      getSelection()?.selectAllChildren(this.command);
      button.textContent = "Selected: press Ctrl+C";
    }
    say(button.textContent);
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  }
  // settled says that no answer to the slider is on its way: for tests.
  get settled(): boolean { return this.look === "none"; }
  get result(): Restored | undefined { return this.last; }
}

// decoded is the picture of a data URL, ready to be drawn.
async function decoded(url: string): Promise<HTMLImageElement> {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}
