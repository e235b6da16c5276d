// The training view: the log of a running lpn train, read again as it grows.
import { type Picture, type Training, get, image, post } from "./api";
import { Chart, exports } from "./chart";
import { clear, el, field, num, select } from "./dom";

const names: Record<string, string> = { psnr: "held-back PSNR", growth: "largest gain", gradient_norm: "norm of the gradient" };

export class TrainingView {
  private body = el("div", { class: "prior-body" });
  private status = el("p", { class: "status", role: "status" });
  private pick = el("div");
  private timer = 0;
  private watched = ""; // the log that is read again, "" for none
  private shown = new Pictures();
  private out = el("div");
  private charts = [
    { key: "psnr", chart: new Chart({ label: "PSNR of the held-back pictures", x: "step", y: "dB" }) },
    { key: "loss", chart: new Chart({ label: "Loss", x: "step", y: "loss", logY: true }) },
    { key: "growth", chart: new Chart({ label: "Largest gain of a wave (1 at most)", x: "step", y: "gain" }) },
    { key: "gradient_norm", chart: new Chart({ label: "Norm of the gradient", x: "step", y: "norm", logY: true }) },
    { key: "rate", chart: new Chart({ label: "Learning rate", x: "step", y: "rate", logY: true }) },
  ];

  constructor(root: HTMLElement) {
    root.append(el("div", { class: "stage scroll" }, this.body),
      el("aside", {}, el("section", { class: "card controls" }, this.pick, this.status,
        el("button", { onclick: () => this.look() }, "Refresh")),
        el("section", { class: "card faint" }, el("p", {}, "Start a training in a terminal, then lpn explore in the folder of its log:"), el("pre", {}, "lpn train --data photos/ --log training.csv --pictures -o mine.safetensors\nlpn explore ."), el("p", {}, "This page only shows trainings; it cannot start one."))));
  }
  async look(): Promise<void> {
    clearTimeout(this.timer);
    const { logs } = await get<{ logs: string[] }>("/api/v1/training");
    if (!logs.length) {
      clear(this.pick);
      this.body.replaceChildren(el("p", { class: "hint" }, "The folder has no training log."));
      return;
    }
    const s = select(logs.map((l) => [l, l]), (l) => this.watch(l));
    s.id = "training-log";
    this.pick.replaceChildren(field("Log", s));
    this.body.replaceChildren(this.shown.element, ...this.charts.map((c) => c.chart.element), this.out);
    this.out.dataset.of = "";
    await this.watch(logs[0]);
  }
  stop(): void { this.watched = ""; clearTimeout(this.timer); }

  private async watch(name: string): Promise<void> {
    clearTimeout(this.timer);
    this.watched = name;
    try {
      const t = await get<Training>(`/api/v1/training?name=${encodeURIComponent(name)}`);
      if (this.watched !== name) return; // another was chosen, or another view
      const c = t.columns, steps = (c.step ?? []).map((v) => v ?? 0);
      for (const { key, chart } of this.charts) {
        const ys = c[key] ?? [], known = ys.some((v) => v !== null && v !== 0);
        chart.element.hidden = !known;
        if (known) chart.set(steps, [{ name: names[key] ?? key, y: ys.map((v) => (v === 0 && key === "growth" ? null : v)), points: ys.length < 60 }, ...(key === "growth" ? [{ name: "most", y: ys.map(() => 1), dash: true }] : [])]);
      }
      this.shown.set(t.pictures ?? []);
      if (this.out.dataset.of !== name) {
        this.out.dataset.of = name;
        this.out.replaceChildren(exports(t.figure, ["svg", "pdf", "png", "csv"]));
      }
      const last = steps.length - 1, age = (Date.now() - Date.parse(t.changed)) / 1000;
      const best = Math.max(...(c.psnr ?? []).map((v) => v ?? -Infinity));
      this.status.textContent = last < 0 ? "The log has no rows yet." :
        `Step ${steps[last]}, ${num((c.seconds?.[last] ?? 0) / 60, 3)} minutes: ${num(c.psnr?.[last], 5)} dB (best ${num(best, 5)}). ` + `Last written ${age < 120 ? `${Math.max(0, Math.round(age))} seconds` : age < 7200 ? `${Math.round(age / 60)} minutes` : `${num(age / 3600, 2)} hours`} ago.`;
    } catch (e) {
      this.status.textContent = e instanceof Error ? e.message : String(e);
    }
    if (this.watched === name) this.timer = window.setTimeout(() => this.watch(name), 2000);
  }
}

// Pictures shows how held-back pictures get better: those of one step, by a slider.
class Pictures {
  readonly element: HTMLElement;
  private steps: { step: number; file: string }[] = [];
  private at = -1; // the step that is shown; the last follows the training
  private file = "";
  private view = el("img", { class: "steps", alt: "" });
  private caption = el("figcaption");
  private slider: HTMLInputElement;
  private cache = new Map<string, string>();

  constructor() {
    this.slider = el("input", { type: "range", min: "0", step: "1", "aria-label": "Step of the training", oninput: () => { const k = Number(this.slider.value); this.at = k === this.steps.length - 1 ? -1 : k; this.show(); } });
    this.element = el("figure", { hidden: true }, el("h2", {}, "Held-back pictures"), el("div", { class: "row" }, el("span", {}, "Step"), this.slider), this.view, this.caption);
  }
  set(steps: { step: number; file: string }[]): void {
    this.element.hidden = !steps.length;
    this.steps = steps;
    this.slider.max = String(steps.length - 1);
    if (this.at >= steps.length) this.at = -1;
    if (steps.length) this.show();
  }
  private async show(): Promise<void> {
    const k = this.at < 0 ? this.steps.length - 1 : this.at, s = this.steps[k];
    this.slider.value = String(k);
    this.slider.setAttribute("aria-valuetext", `step ${s.step}`);
    if (s.file === this.file) return;
    this.file = s.file;
    try {
      const url = this.cache.get(s.file) ?? await load(s.file);
      this.cache.set(s.file, url);
      if (this.file !== s.file) return;
      this.view.src = url;
      this.view.alt = `Held-back pictures after step ${s.step}: with noise, denoised, clean`;
      this.caption.textContent = `After step ${s.step}. Left: with noise; middle: denoised by the network of that step; right: the clean picture, where it is known.`;
    } catch { this.file = ""; /* it is being written: the next look finds it */ }
  }
}

// load is the URL of a picture of the folder, of which the server keeps nothing.
async function load(file: string): Promise<string> {
  const p = await post<Picture>("/api/v1/pictures", { file });
  const url = URL.createObjectURL(await image(p.url + "?format=png"));
  fetch(p.url.replace(/\/file$/, ""), { method: "DELETE" }).catch(() => undefined);
  return url;
}
