/** Pages of `thamesthrive dev`: reloads them after a build, and shows why a build failed. */

interface Build {
  /** When it was built, milliseconds since 1970. */
  time: number;
  css: boolean;
  error: string;
  path: string;
  line: number;
  source: [number: number, text: string][];
}

const script = document.currentScript as HTMLScriptElement;
/** The time of the last build that this page heard of. */
let last = -1;
let overlay: HTMLElement | undefined;

const show = ({ error, path, line, source }: Build): void => {
  overlay?.remove();
  overlay = document.createElement("div");
  overlay.id = "build-error";
  const box = document.createElement("section");
  box.setAttribute("role", "alertdialog");
  box.setAttribute("aria-label", "The build failed");
  box.tabIndex = -1;
  box.style.cssText =
    "position:fixed;inset:0;z-index:2147483647;overflow:auto;padding:2rem;" +
    "background:#1b1212f2;color:#fff;font:15px/1.6 ui-monospace,monospace";
  const title = document.createElement("h1");
  title.textContent = path ? `${path}:${line}` : "The build failed";
  title.style.cssText =
    "font:600 1.2rem/1.4 system-ui,sans-serif;color:#ffb4b4;overflow-wrap:anywhere";
  const words = document.createElement("pre");
  words.textContent = error;
  words.style.cssText = "white-space:pre-wrap;overflow-wrap:anywhere";
  const code = document.createElement("pre");
  for (const [n, text] of source) {
    const row = document.createElement("div");
    row.textContent = `${n == line ? ">" : " "} ${String(n).padStart(4)}  ${text}`;
    if (n == line) row.style.cssText = "background:#5a1d1d";
    code.append(row);
  }
  const hint = document.createElement("p");
  hint.textContent = "This goes away when the build succeeds. Escape hides it.";
  box.append(title, words, code, hint);
  box.onkeydown = ({ key }) => key == "Escape" && overlay?.remove();
  // In a shadow tree: the page's styles do not reach it.
  overlay.attachShadow({ mode: "open" }).append(box);
  document.body.append(overlay);
  box.focus();
};

const restyle = (): void => {
  for (const link of document.querySelectorAll<HTMLLinkElement>("link[rel=stylesheet]")) {
    const next = link.cloneNode() as HTMLLinkElement;
    next.href = link.href.replace(/\?.*|$/, `?${Date.now()}`);
    next.onload = () => link.remove();
    link.after(next);
  }
};

const source = new EventSource(script.dataset["live"]!);
source.onmessage = ({ data }) => {
  const build = JSON.parse(data) as Build;
  // The first message may tell of a build that this page was too early for.
  const isFirst = last < 0;
  const isNew = isFirst ? build.time > performance.timeOrigin : build.time != last;
  last = build.time;
  if (isNew && (isFirst || !build.css)) return location.reload();
  if (isNew) restyle();
  if (build.error) show(build);
  else overlay?.remove();
};
addEventListener("pagehide", () => source.close());

export {};
