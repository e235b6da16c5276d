// A viewer of large pictures in tiles, which lays one over the other to compare them.
// All layers share one frame, that of the base, so they move and zoom in step.
import { type Picture, type Window4, image } from "./api";
import { css, el, say } from "./dom";

export type Mode = "wipe" | "side" | "flicker" | "before" | "after" | "extra";

// A layer is a picture in tiles, or a bitmap stretched over a rectangle of the frame.
interface Layer { picture: Picture }
interface Patch { image: CanvasImageSource; rect: Window4 }

// A Tile is decoded off the main thread. image is undefined until it has come.
interface Tile { url: string; image?: ImageBitmap; asked: boolean; used: number }

const mostTiles = 160; // of a megabyte each
const mostLoading = 6; // at a time, as many as a browser has connections

export class Viewer {
  readonly element: HTMLElement;
  mode: Mode = "wipe";
  onmode?: (m: Mode) => void;
  onmove?: () => void;
  onhover?: (x: number, y: number) => void;
  private canvas: HTMLCanvasElement;
  private readout: HTMLElement;
  private layers: { before?: Layer; after?: Layer; extra?: Layer } = {};
  private live?: CanvasImageSource; // the whole frame of after, at low resolution
  private patch?: Patch; // a part of after, over it
  private tiles = new Map<string, Tile>();
  private missing: Tile[] = []; // in the last frame, in the order of their use
  private loading = 0;
  private clock = 0;
  private frame = { w: 1, h: 1 };
  private scale = 1; // device pixels a pixel of the frame
  private x = 0; // of the frame, at the left edge of the view
  private y = 0;
  private fitted = true;
  private split = 0.5;
  private asItCame = false;
  private phase = false;
  private timer = 0;
  private dirty = false;
  private pointers = new Map<number, { x: number; y: number }>();
  private dragging: "pan" | "wipe" | undefined;
  private names = { before: "input", after: "restored", extra: "" };

  constructor(label: string) {
    this.canvas = el("canvas", { tabIndex: 0, role: "img", "aria-label": label });
    this.readout = el("div", { class: "readout", "aria-hidden": "true" });
    this.element = el("div", { class: "viewer" }, this.canvas, this.readout);
    new ResizeObserver(() => this.resize()).observe(this.element);
    this.listen();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  // show lays out the pictures; what is undefined is not shown.
  show(before: Picture | undefined, after?: Picture, keep = false): void {
    this.layers.before = before && { picture: before };
    this.layers.after = after && { picture: after };
    this.live = this.patch = undefined;
    const base = after ?? before;
    if (base) {
      const other = this.frame.w !== base.width || this.frame.h !== base.height;
      this.frame = { w: base.width, h: base.height };
      if (!keep || other) this.fit();
    }
    this.describe();
    this.draw();
  }
  // call names what is shown after.
  call(after: string): void { this.names.after = after; }
  setExtra(p: Picture | undefined, name: string): void {
    this.layers.extra = p && { picture: p };
    this.names.extra = name;
    if (!p && this.mode === "extra") this.setMode("wipe");
    this.draw();
  }
  // setLive shows an iterate in place of the restored picture.
  setLive(image: CanvasImageSource | undefined): void { this.live = image; this.draw(); }
  setPatch(p: Patch | undefined): void { this.patch = p; this.draw(); }

  setMode(m: Mode): void {
    this.mode = m;
    clearInterval(this.timer);
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (m === "flicker") this.timer = window.setInterval(() => { this.phase = !this.phase; this.draw(); }, calm ? 2500 : 600);
    this.onmode?.(m);
    this.describe();
    this.draw();
  }
  private describe(): void {
    const b = this.layers.before?.picture;
    if (b) this.canvas.setAttribute("aria-label", `${b.name}, ${b.width} by ${b.height} pixels, ${this.layers.after ? `compared with its restoration: ${this.mode}` : "the input"}`);
  }

  // visible is the part of the frame in view, at most so many pixels a side, in its middle.
  visible(most: number): Window4 {
    const w = this.paneWidth() / this.scale, h = this.canvas.height / this.scale;
    const x0 = Math.max(0, Math.floor(this.x)), y0 = Math.max(0, Math.floor(this.y));
    const x1 = Math.min(this.frame.w, Math.ceil(this.x + w)), y1 = Math.min(this.frame.h, Math.ceil(this.y + h));
    const cw = Math.max(1, Math.min(most, x1 - x0)), ch = Math.max(1, Math.min(most, y1 - y0));
    return [Math.min(this.frame.w - cw, Math.max(0, Math.floor((x0 + x1 - cw) / 2))), Math.min(this.frame.h - ch, Math.max(0, Math.floor((y0 + y1 - ch) / 2))), cw, ch];
  }

  private paneWidth(): number { return this.mode === "side" ? this.canvas.width / 2 : this.canvas.width; }

  private resize(): void {
    const d = devicePixelRatio;
    const w = Math.max(1, Math.round(this.element.clientWidth * d)), h = Math.max(1, Math.round(this.element.clientHeight * d));
    if (w === this.canvas.width && h === this.canvas.height) return;
    this.canvas.width = w;
    this.canvas.height = h;
    if (this.fitted) this.fit();
    this.draw();
  }

  fit(): void {
    const w = this.paneWidth(), h = this.canvas.height;
    this.scale = Math.min(w / this.frame.w, h / this.frame.h);
    if (this.scale > 1) this.scale = Math.min(this.scale, 8);
    this.x = (this.frame.w - w / this.scale) / 2;
    this.y = (this.frame.h - h / this.scale) / 2;
    this.fitted = true;
    this.moved();
  }
  // zoom sets the scale, keeping the pixel under (px,py), of the canvas, where it is.
  zoom(scale: number, px = this.paneWidth() / 2, py = this.canvas.height / 2): void {
    const least = Math.min(0.5 * Math.min(this.canvas.width / this.frame.w, this.canvas.height / this.frame.h), 1);
    const s = Math.min(64, Math.max(least, scale));
    const fx = this.x + px / this.scale, fy = this.y + py / this.scale;
    this.scale = s;
    this.x = fx - px / s;
    this.y = fy - py / s;
    this.fitted = false;
    this.clamp();
    this.moved();
  }
  get zoomed(): number { return this.scale; }

  private pan(dx: number, dy: number): void {
    this.x -= dx / this.scale;
    this.y -= dy / this.scale;
    this.fitted = false;
    this.clamp();
    this.moved();
  }
  private clamp(): void { // some of the picture stays in view
    const w = this.paneWidth() / this.scale, h = this.canvas.height / this.scale;
    this.x = Math.min(this.frame.w - w * 0.1, Math.max(-w * 0.9, this.x));
    this.y = Math.min(this.frame.h - h * 0.1, Math.max(-h * 0.9, this.y));
  }
  private moved(): void { this.onmove?.(); this.draw(); }

  private listen(): void {
    const c = this.canvas;
    const at = (e: { clientX: number; clientY: number }) => {
      const r = c.getBoundingClientRect();
      return { x: (e.clientX - r.left) * (c.width / r.width), y: (e.clientY - r.top) * (c.height / r.height) };
    };
    c.addEventListener("wheel", (e) => {
      e.preventDefault();
      const p = at(e);
      this.zoom(this.scale * Math.exp(-e.deltaY * (e.deltaMode ? 0.05 : 0.0015)), this.pane(p.x), p.y);
    }, { passive: false });
    c.addEventListener("pointerdown", (e) => {
      c.setPointerCapture(e.pointerId);
      const p = at(e);
      this.pointers.set(e.pointerId, p);
      this.dragging = this.mode === "wipe" && this.pointers.size === 1 && Math.abs(p.x - this.split * c.width) < 14 * devicePixelRatio && this.layers.after ? "wipe" : "pan";
    });
    c.addEventListener("pointermove", (e) => {
      const p = at(e), last = this.pointers.get(e.pointerId);
      this.hover(p);
      if (!last) {
        const near = this.mode === "wipe" && this.layers.after && Math.abs(p.x - this.split * c.width) < 14 * devicePixelRatio;
        c.style.cursor = near ? "ew-resize" : "grab";
        return;
      }
      if (this.pointers.size === 2) {
        const other = [...this.pointers].find(([id]) => id !== e.pointerId)![1];
        const was = Math.hypot(last.x - other.x, last.y - other.y), is = Math.hypot(p.x - other.x, p.y - other.y);
        this.pan((p.x - last.x) / 2, (p.y - last.y) / 2);
        if (was > 0) this.zoom(this.scale * is / was, this.pane((p.x + other.x) / 2), (p.y + other.y) / 2);
      } else if (this.dragging === "wipe") {
        this.split = Math.min(1, Math.max(0, p.x / c.width));
        this.draw();
      } else {
        this.pan(p.x - last.x, p.y - last.y);
      }
      this.pointers.set(e.pointerId, p);
    });
    for (const kind of ["pointerup", "pointercancel"] as const) {
      c.addEventListener(kind, (e) => { this.pointers.delete(e.pointerId); this.dragging = undefined; });
    }
    c.addEventListener("dblclick", (e) => { const p = at(e); this.zoom(this.scale * 2, this.pane(p.x), p.y); });
    c.addEventListener("keydown", (e) => {
      const step = 60 * devicePixelRatio;
      const keys: Record<string, () => void> = {
        ArrowLeft: () => this.pan(step, 0), ArrowRight: () => this.pan(-step, 0),
        ArrowUp: () => this.pan(0, step), ArrowDown: () => this.pan(0, -step),
        "+": () => this.zoom(this.scale * 1.5), "=": () => this.zoom(this.scale * 1.5), "-": () => this.zoom(this.scale / 1.5),
        "0": () => this.fit(), "1": () => this.zoom(1),
        "[": () => this.moveSplit(-0.05), "]": () => this.moveSplit(0.05),
        " ": () => { this.asItCame = true; this.draw(); },
        m: () => this.nextMode(),
      };
      const act = !e.ctrlKey && !e.metaKey && !e.altKey && keys[e.key];
      if (act) { e.preventDefault(); act(); }
    });
    const release = () => { this.asItCame = false; this.draw(); };
    c.addEventListener("keyup", (e) => { if (e.key === " ") release(); });
    c.addEventListener("blur", release);
  }
  private nextMode(): void {
    const all: Mode[] = this.layers.extra ? ["wipe", "side", "flicker", "before", "after", "extra"] : ["wipe", "side", "flicker", "before", "after"];
    this.setMode(all[(all.indexOf(this.mode) + 1) % all.length]);
    say(this.mode);
  }
  moveSplit(d: number): void { this.split = Math.min(1, Math.max(0, this.split + d)); this.draw(); }
  get splitAt(): number { return this.split; }

  // pane is the x within its pane of an x of the canvas.
  private pane(x: number): number { return this.mode === "side" && x >= this.canvas.width / 2 ? x - this.canvas.width / 2 : x; }

  private hover(p: { x: number; y: number }): void {
    const x = Math.floor(this.x + this.pane(p.x) / this.scale), y = Math.floor(this.y + p.y / this.scale);
    const inside = x >= 0 && y >= 0 && x < this.frame.w && y < this.frame.h;
    this.readout.textContent = `${inside ? `${x}, ${y} · ` : ""}${Math.round(100 * this.scale / devicePixelRatio)} %`;
    if (inside) this.onhover?.(x, y);
  }

  draw(): void {
    if (this.dirty) return;
    this.dirty = true;
    requestAnimationFrame(() => { this.dirty = false; this.paint(); });
  }

  private paint(): void {
    const g = this.canvas.getContext("2d", { alpha: false })!;
    const { width: w, height: h } = this.canvas;
    g.fillStyle = css("--canvas");
    g.fillRect(0, 0, w, h);
    this.missing = [];
    const after = this.layers.after || this.live || this.patch;
    const clip = (x: number, width: number, offset: number, what: "before" | "after" | "extra") => {
      if (width <= 0) return;
      g.save();
      g.beginPath();
      g.rect(x, 0, width, h);
      g.clip();
      g.translate(offset, 0);
      if (what === "after") this.paintAfter(g); else this.paintLayer(g, this.layers[what]);
      g.restore();
    };
    let mode: Mode = !after && this.mode !== "extra" ? "before" : this.mode;
    if (this.asItCame) mode = "before";
    switch (mode) {
      case "wipe": {
        const at = Math.round(this.split * w);
        clip(0, at, 0, "before");
        clip(at, w - at, 0, "after");
        this.handle(g, at, h);
        this.tag(g, this.names.before, 8, "left", at > 90);
        this.tag(g, this.names.after, w - 8, "right", w - at > 90);
        break;
      }
      case "side": {
        const at = Math.round(w / 2);
        clip(0, at, 0, "before");
        clip(at, w - at, at, "after");
        g.fillStyle = css("--canvas");
        g.fillRect(at - 1, 0, 2, h);
        this.tag(g, this.names.before, 8, "left", true);
        this.tag(g, this.names.after, w - 8, "right", true);
        break;
      }
      case "flicker":
        clip(0, w, 0, this.phase ? "after" : "before");
        this.tag(g, this.phase ? this.names.after : this.names.before, 8, "left", true);
        break;
      default:
        clip(0, w, 0, mode);
        this.tag(g, mode === "extra" ? this.names.extra : this.names[mode], 8, "left", true);
    }
    this.forget();
    this.load();
  }
  private handle(g: CanvasRenderingContext2D, at: number, h: number): void {
    const d = devicePixelRatio;
    g.fillStyle = "#fff";
    g.shadowColor = "#000";
    g.shadowBlur = 3 * d;
    g.fillRect(at - d, 0, 2 * d, h);
    g.beginPath();
    g.arc(at, h / 2, 13 * d, 0, 7);
    g.fill();
    g.shadowBlur = 0;
    g.fillStyle = "#333";
    for (const s of [-1, 1]) {
      g.beginPath();
      g.moveTo(at + s * 9 * d, h / 2);
      g.lineTo(at + s * 3 * d, h / 2 - 5 * d);
      g.lineTo(at + s * 3 * d, h / 2 + 5 * d);
      g.fill();
    }
  }
  private tag(g: CanvasRenderingContext2D, text: string, x: number, align: CanvasTextAlign, room: boolean): void {
    if (!room || !text) return;
    const d = devicePixelRatio;
    g.font = `${12 * d}px system-ui, sans-serif`;
    g.textAlign = align;
    g.textBaseline = "top";
    const w = g.measureText(text).width + 12 * d;
    g.fillStyle = "rgba(0,0,0,.65)";
    g.fillRect(align === "left" ? x : x - w, 8 * d, w, 22 * d);
    g.fillStyle = "#fff";
    g.fillText(text, align === "left" ? x + 6 * d : x - 6 * d, 13 * d);
  }

  private place(rect: Window4): [number, number, number, number] {
    // Edges on whole device pixels, so that neighbours meet.
    const x0 = Math.round((rect[0] - this.x) * this.scale), y0 = Math.round((rect[1] - this.y) * this.scale);
    const x1 = Math.round((rect[0] + rect[2] - this.x) * this.scale), y1 = Math.round((rect[1] + rect[3] - this.y) * this.scale);
    return [x0, y0, x1 - x0, y1 - y0];
  }
  private paintAfter(g: CanvasRenderingContext2D): void {
    if (this.live) {
      g.imageSmoothingEnabled = true;
      g.drawImage(this.live, ...this.place([0, 0, this.frame.w, this.frame.h]));
    } else {
      this.paintLayer(g, this.layers.after ?? this.layers.before);
    }
    if (this.patch) {
      g.imageSmoothingEnabled = this.scale < 1;
      const r = this.place(this.patch.rect);
      g.drawImage(this.patch.image, ...r);
      g.strokeStyle = "rgba(255,255,255,.8)";
      g.lineWidth = devicePixelRatio;
      g.strokeRect(r[0] - 0.5, r[1] - 0.5, r[2] + 1, r[3] + 1);
    }
  }
  private paintLayer(g: CanvasRenderingContext2D, layer: Layer | undefined): void {
    if (!layer) return;
    const p = layer.picture;
    const k = this.frame.w / p.width; // pixels of the frame a pixel of the layer
    const shown = this.scale * k; // device pixels a pixel of the layer
    const coarsest = Math.max(0, Math.ceil(Math.log2(Math.max(p.width, p.height) / p.tile_side)));
    const want = Math.min(coarsest, Math.max(0, Math.floor(Math.log2(1 / shown) + 0.01)));
    g.imageSmoothingEnabled = shown < 1;
    g.imageSmoothingQuality = "medium";
    const x0 = this.x / k, y0 = this.y / k, x1 = x0 + this.canvas.width / shown, y1 = y0 + this.canvas.height / shown;
    // Coarse tiles first, where the fine ones have not come yet.
    for (let level = coarsest; level >= want; level--) {
      if (level !== want && level !== coarsest && !this.any(p, level)) continue;
      const side = p.tile_side << level;
      for (let ty = Math.max(0, Math.floor(y0 / side)); ty * side < Math.min(p.height, y1); ty++) {
        for (let tx = Math.max(0, Math.floor(x0 / side)); tx * side < Math.min(p.width, x1); tx++) {
          const t = this.tile(p, level, tx, ty, level === want || level === coarsest);
          if (!t?.image) continue;
          const w = Math.min(side, p.width - tx * side), h = Math.min(side, p.height - ty * side);
          g.drawImage(t.image, ...this.place([tx * side * k, ty * side * k, w * k, h * k]));
        }
      }
    }
  }
  private any(p: Picture, level: number): boolean {
    const prefix = `${p.tiles}/${level}/`;
    for (const key of this.tiles.keys()) if (key.startsWith(prefix)) return true;
    return false;
  }
  private tile(p: Picture, level: number, x: number, y: number, load: boolean): Tile | undefined {
    const url = `${p.tiles}/${level}/${x}/${y}`;
    let t = this.tiles.get(url);
    if (!t && load) this.tiles.set(url, t = { url, asked: false, used: 0 });
    if (t) {
      t.used = ++this.clock;
      if (!t.image && !t.asked && !this.missing.includes(t)) this.missing.push(t);
    }
    return t;
  }
  // load asks for what the last frame missed. What has left the view meanwhile is not asked for.
  private load(): void {
    while (this.loading < mostLoading && this.missing.length) {
      const t = this.missing.shift()!;
      t.asked = true;
      this.loading++;
      bitmap(t.url).then((b) => { t.image = b; this.draw(); }, () => { this.tiles.delete(t.url); }).finally(() => { this.loading--; this.load(); });
    }
  }
  private forget(): void {
    if (this.tiles.size <= mostTiles) return;
    const old = [...this.tiles.values()].filter((t) => t.image || !t.asked).sort((a, b) => a.used - b.used).slice(0, this.tiles.size - mostTiles);
    for (const t of old) {
      t.image?.close();
      this.tiles.delete(t.url);
    }
  }
  // settled says that no tile in view is on its way: for tests.
  settled(): boolean { return !this.dirty && !this.loading && !this.missing.length; }
}

const bitmap = async (url: string): Promise<ImageBitmap> => createImageBitmap(await image(url));
