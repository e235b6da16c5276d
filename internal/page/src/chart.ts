// Charts by uPlot, in the colours of the theme, with a table of the numbers for those who
// do not see them.
import uPlot from "uplot";
import { css, el, num, scrolled } from "./dom";

export interface Line { name: string; y: (number | null)[]; lo?: (number | null)[]; hi?: (number | null)[]; dash?: boolean; points?: boolean }

export interface ChartOptions {
  label: string; x: string; y: string; logY?: boolean; height?: number;
  onhover?: (index: number | null) => void;
}

const stroke = (k: number): string => css(`--line-${k % 6}`);

// decades leaves the powers of ten of a logarithmic axis, or what fits where there is none.
const decades: uPlot.Axis.Filter = (_u, splits) => {
  const tens = splits.map((v) => (v !== null && Math.abs(Math.log10(v) % 1) < 1e-6 ? v : null));
  return tens.some((v) => v !== null) ? tens : splits;
};

export class Chart {
  readonly element: HTMLElement;
  private plot?: uPlot;
  private box: HTMLElement;
  private table: HTMLElement;
  private xs: number[] = [];
  private lines: Line[] = [];

  constructor(private o: ChartOptions) {
    this.box = el("div", { class: "plot", role: "img", "aria-label": o.label });
    this.table = el("details", { class: "numbers" }, el("summary", {}, "Numbers"));
    this.element = el("figure", { class: "chart" }, el("figcaption", {}, o.label), this.box, this.table);
    let width = 0;
    new ResizeObserver(() => {
      const w = this.box.clientWidth;
      if (w > 0 && w !== width) { width = w; this.plot ? this.plot.setSize({ width: w, height: this.height() }) : this.make(); }
    }).observe(this.box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.make());
    document.addEventListener("themed", () => this.make());
    this.table.addEventListener("toggle", () => this.fillTable());
  }
  private height(): number { return this.o.height ?? 180; }

  set(xs: number[], lines: Line[]): void {
    const same = this.plot && lines.length === this.lines.length && lines.every((l, i) => l.name === this.lines[i].name && !!l.lo === !!this.lines[i].lo);
    this.xs = xs;
    this.lines = lines;
    if (same) this.plot!.setData(this.data()); else this.make();
    this.box.setAttribute("aria-label", `${this.o.label}: ${lines.map((l) => `${l.name} from ${num(l.y[0])} to ${num(l.y[l.y.length - 1])}`).join(", ")}`);
    if ((this.table as HTMLDetailsElement).open) this.fillTable();
  }
  private data(): uPlot.AlignedData {
    const ok = (v: number | null) => (v !== null && Number.isFinite(v) && (!this.o.logY || v > 0) ? v : null);
    const out: (number | null)[][] = [];
    for (const l of this.lines) {
      out.push(l.y.map(ok));
      if (l.lo && l.hi) out.push(l.lo.map(ok), l.hi.map(ok));
    }
    return [this.xs, ...out] as uPlot.AlignedData;
  }
  private make(): void {
    this.plot?.destroy();
    this.plot = undefined;
    if (!this.box.clientWidth || !this.lines.length) return;
    const axis = { stroke: css("--text"), grid: { stroke: css("--grid"), width: 1 }, ticks: { stroke: css("--grid"), width: 1 }, font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif", labelSize: 18 };
    const series: uPlot.Series[] = [{ label: this.o.x, value: (_u, v) => (v === null ? "" : num(v)) }];
    const bands: uPlot.Band[] = [];
    this.lines.forEach((l, k) => {
      const at = series.length;
      series.push({ label: l.name, stroke: stroke(k), width: 2, dash: l.dash ? [6, 4] : undefined, points: { show: l.points ?? false, size: 6 }, value: (_u, v) => (v === null ? "" : num(v)) });
      if (l.lo && l.hi) {
        const edge: uPlot.Series = { stroke: stroke(k), width: 0.5, points: { show: false }, show: true, label: "" };
        series.push({ ...edge, label: `${l.name}, least` }, { ...edge, label: `${l.name}, most` });
        bands.push({ series: [at + 2, at + 1], fill: stroke(k) + "33" });
      }
    });
    this.plot = new uPlot({
      width: this.box.clientWidth, height: this.height(), series, bands,
      scales: { x: { time: false }, y: { distr: this.o.logY ? 3 : 1 } },
      axes: [{ ...axis, label: this.o.x, size: 34 }, { ...axis, ...(this.o.logY ? { grid: { ...axis.grid, filter: decades }, ticks: { ...axis.ticks, filter: decades } } : {}), label: this.o.y, size: 62, values: (_u, vs) => vs.map((v) => (v === null ? "" : num(v, 5))) }],
      legend: { live: true },
      cursor: { drag: { x: true, y: false } },
      hooks: { setCursor: [(u) => this.o.onhover?.(u.cursor.idx ?? null)] },
    }, this.data(), this.box);
  }
  private fillTable(): void {
    const most = 400, step = Math.max(1, Math.ceil(this.xs.length / most));
    const head = el("tr", {}, el("th", { scope: "col" }, this.o.x), ...this.lines.map((l) => el("th", { scope: "col" }, l.name)));
    const rows = this.xs.map((x, i) => (i % step ? null : el("tr", {}, el("td", {}, num(x)), ...this.lines.map((l) => el("td", {}, num(l.y[i], 5))))));
    this.table.replaceChildren(this.table.firstElementChild!, scrolled(`${this.o.label}: numbers`, el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows))));
  }
}

// exports are links to a result as a figure and as numbers.
export function exports(figure: string, formats = ["svg", "pdf", "png", "csv", "npz"]): HTMLElement {
  return el("p", { class: "exports" }, "Export: ", ...formats.flatMap((f) => [el("a", { href: `${figure}${figure.includes("?") ? "&" : "?"}format=${f}`, download: "" }, f.toUpperCase()), " "]));
}
