import { type About, type Prior, get } from "./api";
import { el, say } from "./dom";
import { PriorView } from "./prior";
import { RestoreView } from "./restore";
import { save, saved } from "./state";
import { TrainingView } from "./training";

const byId = (id: string) => document.getElementById(id)!;
const views = ["restore", "prior", "training"];

function theme(): void {
  const button = byId("theme");
  const dark = () => (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const label = () => { button.textContent = dark() ? "Light" : "Dark"; };
  const stored = localStorage.getItem("lpn-theme");
  if (stored) document.documentElement.dataset.theme = stored;
  label();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", label);
  button.addEventListener("click", () => {
    const next = dark() ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    localStorage.setItem("lpn-theme", next);
    label();
    document.dispatchEvent(new Event("themed"));
  });
}

async function start(): Promise<void> {
  theme();
  byId("help").addEventListener("click", () => (byId("keys") as HTMLDialogElement).showModal());
  const [about, priors] = await Promise.all([get<About>("/api/v1/about"), get<Prior[]>("/api/v1/priors")]);
  const restore = new RestoreView(byId("view-restore"), about, priors);
  const prior = new PriorView(byId("view-prior"), about, priors, restore.viewer);
  const training = new TrainingView(byId("view-training"));
  const open = (name: string) => {
    for (const v of views) {
      const on = v === name, tab = byId(`tab-${v}`);
      byId(`view-${v}`).hidden = !on;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
    }
    save({ view: name });
    if (name === "training") training.look(); else training.stop();
    if (name === "restore") restore.viewer.draw();
    if (name === "prior") prior.opened();
  };
  views.forEach((v, k) => {
    const tab = byId(`tab-${v}`);
    tab.addEventListener("click", () => open(v));
    tab.addEventListener("keydown", (e) => {
      const d = e.key === "ArrowRight" ? 1 : e.key === "ArrowLeft" ? -1 : 0;
      if (!d) return;
      const next = views[(k + d + views.length) % views.length];
      byId(`tab-${next}`).focus();
      open(next);
    });
  });
  open(views.includes(saved.view) ? saved.view : "restore");
  Object.assign(window, { lpn: { restore } }); // for tests
  await restore.begin();
  if (saved.view === "prior") prior.opened();
  document.body.dataset.ready = "";
}

start().catch((e) => {
  const text = e instanceof Error ? e.message : String(e);
  document.querySelector("main")!.replaceChildren(el("p", { class: "hint bad" }, text));
  say(text);
});
