// Small helpers for elements.

type Child = Node | string | null | undefined | false;
type Props = Record<string, unknown>;

// el makes an element: properties by name, on* listeners, aria-* and data-* attributes.
export function el<K extends keyof HTMLElementTagNameMap>(tag: K, props: Props = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(props)) {
    if (v === undefined || v === false) continue;
    if (k.startsWith("on") && typeof v === "function") e.addEventListener(k.slice(2), v as EventListener);
    else if (k.includes("-") || k === "for" || k === "role" || k === "list") e.setAttribute(k, String(v));
    else (e as any)[k === "class" ? "className" : k] = v;
  }
  e.append(...children.filter((c): c is Node | string => c !== null && c !== undefined && c !== false));
  return e;
}

let ids = 0;

// field is a labelled control.
export function field(label: string, control: HTMLElement, hint?: string): HTMLElement {
  control.id ||= `c${++ids}`;
  const text = el("label", { for: control.id }, label);
  if (!hint) return el("div", { class: "field" }, text, control);
  const note = el("small", { id: `${control.id}-hint` }, hint);
  control.setAttribute("aria-describedby", note.id);
  return el("div", { class: "field" }, text, control, note);
}

export function select(options: [value: string, text: string][], on: (value: string) => void): HTMLSelectElement {
  const s = el("select", { onchange: () => on(s.value) }, ...options.map(([value, text]) => el("option", { value }, text)));
  return s;
}

// scrolled is a box that scrolls a wide thing, with the keyboard too.
export const scrolled = (label: string, child: HTMLElement): HTMLElement =>
  el("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": label }, child);

// saved is a link that saves a text to a file.
export function saved(file: string, label: string, type: string, text: string): HTMLElement {
  const a = el("a", { href: "#", download: file, onclick: () => {
    a.href = URL.createObjectURL(new Blob([text], { type }));
    setTimeout(() => URL.revokeObjectURL(a.href), 60_000);
  } }, label);
  return a;
}

// say tells those who do not see the page.
export function say(text: string): void { document.getElementById("say")!.textContent = text; }

// num is a number for people.
export function num(v: number | null | undefined, digits = 4): string {
  if (v === null || v === undefined || !Number.isFinite(v)) return "unknown";
  const a = Math.abs(v);
  if (a !== 0 && (a < 1e-3 || a >= 1e6)) return v.toExponential(Math.min(digits - 1, 2));
  return String(Number(v.toPrecision(digits)));
}

export const clear = (e: Element): void => e.replaceChildren();

// css is a colour of the theme.
export const css = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// latest runs the newest of many tasks: a new one aborts the one before.
export class Latest {
  private current?: AbortController;
  start(): AbortSignal {
    this.current?.abort();
    this.current = new AbortController();
    return this.current.signal;
  }
  stop(): void { this.current?.abort(); this.current = undefined; }
}
