// What survives a reload: which picture, its restoration, and the options. It is in the
// address, so that each tab has its own.
import type { Options, Picture } from "./api";
import { get } from "./api";

interface Saved { view: string; picture?: string; restored?: string; options?: Options }

const read = (): Saved => {
  try { return { view: "restore", ...JSON.parse(decodeURIComponent(location.hash.slice(1))) }; } catch { return { view: "restore" }; }
};

export const saved = read();

export function save(change: Partial<Saved>): void {
  Object.assign(saved, change);
  history.replaceState(null, "", "#" + encodeURIComponent(JSON.stringify(saved)));
}

// shared is the picture that all views look at.
export const shared: { picture?: Picture; restored?: Picture; onchange: (() => void)[] } = { onchange: [] };

export function share(picture: Picture | undefined, restored: Picture | undefined): void {
  shared.picture = picture;
  shared.restored = restored;
  save({ picture: picture?.id, restored: restored?.id });
  for (const f of shared.onchange) f();
}

export async function recall(id: string | undefined): Promise<Picture | undefined> {
  if (!id) return undefined;
  try { return await get<Picture>(`/api/v1/pictures/${id}`); } catch { return undefined; }
}
