// The training view: the log of a running lpn train, read again as it grows.
import { type Training, get } from "./api";
import { Chart } from "./chart";
import { clear, el, field, num, select } from "./dom";

export class TrainingView {
  private body = el("div", { class: "prior-body" });
  private status = el("p", { class: "status", role: "status" });
  private pick = el("div");
  private timer = 0;
  private watched = ""; // the log that is read again, "" for none
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
        el("section", { class: "card faint" }, el("p", {}, "Start a training in a terminal, then lpn explore in the folder of its log:"), el("pre", {}, "lpn train --data photos/ --valid held-back/ --log training.csv -o mine.safetensors\nlpn explore ."), el("p", {}, "This page only shows trainings; it cannot start one."))));
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
    this.body.replaceChildren(...this.charts.map((c) => c.chart.element));
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
        if (known) chart.set(steps, [{ name: key, y: ys.map((v) => (v === 0 && key === "growth" ? null : v)), points: ys.length < 60 }, ...(key === "growth" ? [{ name: "most", y: ys.map(() => 1), dash: true }] : [])]);
      }
      const last = steps.length - 1, age = (Date.now() - Date.parse(t.changed)) / 1000;
      const best = Math.max(...(c.psnr ?? []).map((v) => v ?? -Infinity));
      this.status.textContent = last < 0 ? "The log has no rows yet." :
        `Step ${steps[last]}, ${num((c.seconds?.[last] ?? 0) / 60, 3)} minutes: ${num(c.psnr?.[last], 5)} dB (best ${num(best, 5)}). ` + (age < 120 ? "It is being written." : `Last written ${age < 7200 ? `${Math.round(age / 60)} minutes` : `${num(age / 3600, 2)} hours`} ago.`);
    } catch (e) {
      this.status.textContent = e instanceof Error ? e.message : String(e);
    }
    if (this.watched === name) this.timer = window.setTimeout(() => this.watch(name), 2000);
  }
}
