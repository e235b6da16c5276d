// The HTTP interface, as package lpn/serve documents it.

export interface Picture {
  id: string; name: string; width: number; height: number; channels: number; bits: number;
  format: string; pages: number; jpeg_quality?: number; url: string; tiles: string; tile_side: number;
}

export interface Options {
  operator?: string; boundary?: string; noise?: string | number; prior?: string; solver?: string;
  iters?: number; strength?: number | string; ensemble?: boolean; gray?: boolean; light?: string; missing?: string;
}

export interface Plan {
  operator: string; noise: number; estimated: boolean; noise_line?: string; confidence: number; prior: string;
  sigma: number; scale: number; lambda: number; strength: number; solver: string; iters: number; start: string;
  per_channel: boolean; gray: boolean; saturated: boolean; windows?: { side: number; count: number };
  light_line?: string; missing?: number; blur?: Blur;
}

// A blur that was found: intervals are those of 95 percent.
export interface Blur {
  kind: string; size: number; parameters: Record<string, number>; intervals: Record<string, [number, number]>;
  width: number; confidence: number; sharp: boolean; varies: boolean;
}

export interface Planned { plan: Plan; choice?: string; remarks?: string[]; kernel?: string; words: string[]; command: string; parts: boolean }

export interface Iterate {
  k: number; iters: number; window: number; windows: number; seconds: number;
  objective: number | null; data: number | null; prior: number | null; residual: number | null; image?: string;
}

export interface Whiteness { deviation: number; correlation: number; spectrum: number[] | null; radial: number[] | null }

export interface Restored {
  input: string; output: string; operator: string; prior: string; solver: string; iterations: number; seconds: number;
  objective: number | null; converged: boolean; certified: boolean; uncertified?: string; noise: number; lambda: number;
  strength: number; reason: string; choice?: string; note?: string; left_alone?: boolean; suspect: string | null; picture: Picture;
  command: string; trace: Iterate[] | null; residual: { picture: Picture | null; whiteness: Whiteness; figure?: string } | null; figure?: string;
}

export type Window4 = [number, number, number, number];

export interface Look { k: number; seconds: number; window: Window4; image: string }

export interface Prior { name: string; channels: number; sigma: number; natural: boolean; scalar: boolean }

export interface PathResult {
  prior: string; perturbation: string; parameter: string; unit: string;
  levels: number[]; values: (number | null)[]; residuals: number[]; gaps: (number | null)[];
}
export interface Kept { id: string; figure: string }
export interface PathAnswer extends Kept { paths: PathResult[] }
export interface MapAnswer extends Kept {
  prior: string; height: number; width: number; values: number[]; total: number; residual: number; gap: number | null;
  quadrature: number; picture: Picture; window: Window4; low: number; high: number;
}
export interface SliceAnswer extends Kept {
  prior: string; u: string; v: string; length: number; unit: string; fidelity: boolean; a: number[]; b: number[];
  z: (number | null)[]; residuals: number[]; gaps: (number | null)[]; at: string; way?: { a: number; b: number; off: number }[];
}
export interface CurveAnswer extends Kept {
  curves: { prior: string; sigma: number; x: number[]; f: number[]; psi: number[]; r: (number | null)[]; residuals: number[]; gaps: (number | null)[] }[];
  errors: { map: number; mean: number; median: number; r: number }[];
  truth: { map: number[]; mean: number[]; median: number[]; r: number[] };
}
export interface Verified {
  ok: boolean; reasons: string[] | null; probes: number; shape: number[];
  lines: { what: string; proved: boolean; value: string; wanted: string; ok: boolean; meaning: string }[];
}
export interface Training {
  name: string; changed: string; rows: number; columns: Record<string, (number | null)[]>;
  pictures: { step: number; file: string }[]; figure: string;
}
export interface About { version: string; solvers: string[]; upload: number; folder: boolean; colours: { growing: string[]; diverging: string[] } }

// This tab, to the server's queues. sessionStorage outlives a reload, and is the tab's own.
const client = sessionStorage.getItem("lpn-client") ?? crypto.randomUUID();
sessionStorage.setItem("lpn-client", client);

export class Failed extends Error {
  constructor(message: string, readonly status: number) { super(message); }
}

async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set("Lpn-Client", client);
  let r: Response;
  try {
    r = await fetch(path, { ...init, headers });
  } catch (e) {
    if (e instanceof DOMException && e.name === "AbortError") throw e;
    throw new Failed("The program behind this page does not answer. Was lpn explore stopped?", 0);
  }
  if (r.ok) return r;
  let text = `${r.status} ${r.statusText}`;
  try { text = (await r.json()).error ?? text; } catch { /* no JSON */ }
  throw new Failed(text, r.status);
}

const asJSON = (body: unknown): RequestInit => ({
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
});

export const get = async <T>(path: string, signal?: AbortSignal): Promise<T> => (await request(path, { signal })).json();

export const post = async <T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> =>
  (await request(path, { ...asJSON(body), signal })).json();

export const postImage = async (path: string, body: unknown, signal?: AbortSignal): Promise<Blob> =>
  (await request(path, { ...asJSON(body), signal })).blob();

export const image = async (path: string, signal?: AbortSignal): Promise<Blob> => (await request(path, { signal })).blob();

export async function upload(file: File): Promise<Picture> {
  const form = new FormData();
  form.append("image", file, file.name);
  return (await request("/api/v1/pictures", { method: "POST", body: form })).json();
}

// stream posts and calls see for every event until the result, which it returns. Aborting
// the signal closes the connection, and the server cancels the work.
export async function stream<T>(path: string, body: unknown, see: (event: string, data: any) => void, signal?: AbortSignal): Promise<T> {
  const init = asJSON(body);
  const r = await request(path, { ...init, headers: { ...init.headers, Accept: "text/event-stream" }, signal });
  const reader = r.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Failed("The connection ended before the work did.", 0);
    rest += value;
    for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
      const [head, data] = [/^event: (.*)$/m, /^data: (.*)$/m].map((re) => re.exec(rest.slice(0, end))?.[1] ?? "");
      rest = rest.slice(end + 2);
      if (head === "result") return JSON.parse(data);
      if (head === "error") {
        const e = JSON.parse(data);
        throw new Failed(e.error, e.status);
      }
      see(head, data ? JSON.parse(data) : undefined);
    }
  }
}

export const aborted = (e: unknown): boolean => e instanceof DOMException && e.name === "AbortError";
