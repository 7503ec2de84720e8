/**
 * What every page of the documentation does: colours, copying, the reader's own values, opening the
 * search.
 */

const root = document.body.dataset["root"]!;
const find = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

/** Storage may be refused: then nothing is remembered. */
const remembered = (key: string): string => {
  try {
    return localStorage[key] || "";
  } catch {
    return "";
  }
};
const remember = (key: string, value: string): void => {
  try {
    if (value) localStorage[key] = value;
    else localStorage.removeItem(key);
  } catch {
    // as above
  }
};

// Colours.

const THEMES = {
  auto: ["Auto", "colours as the system has them"],
  light: ["Light", "colours for the day"],
  dark: ["Dark", "colours for the night"],
} as const;
type Theme = keyof typeof THEMES;
const themeButton = find("theme");

const showTheme = (theme: Theme): void => {
  document.documentElement.dataset["theme"] = theme;
  themeButton.textContent = THEMES[theme][0];
  themeButton.setAttribute("aria-label", `${THEMES[theme][0]}: ${THEMES[theme][1]}`);
};

const themes = Object.keys(THEMES) as Theme[];
let theme = remembered("docs-theme") as Theme;
if (!themes.includes(theme)) theme = "auto";
showTheme(theme);
themeButton.onclick = () => {
  theme = themes[(themes.indexOf(theme) + 1) % themes.length]!;
  remember("docs-theme", theme);
  showTheme(theme);
};

// Copying.

/** What is copied of a terminal session: the commands, not what they answered. */
const copied = (code: HTMLElement): string => {
  const text = code.textContent!;
  if (code.dataset["language"] != "console") return text;
  return (
    text
      .split("\n")
      .filter((line) => line.startsWith("$ "))
      .map((line) => line.slice(2))
      .join("\n") + "\n"
  );
};

for (const example of document.querySelectorAll<HTMLElement>(".example")) {
  const button = Object.assign(document.createElement("button"), {
    type: "button",
    className: "copy",
    textContent: "Copy",
  });
  const code = example.querySelector("code")!;
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(copied(code));
      button.textContent = "Copied";
    } catch {
      // The clipboard is refused, as from a file: the text is selected, to be copied by hand.
      getSelection()!.selectAllChildren(code);
      button.textContent = "Marked";
    }
    button.classList.add("done");
    setTimeout(() => {
      button.textContent = "Copy";
      button.classList.remove("done");
    }, 2000);
  };
  example.append(button);
}

// The reader's own values.

interface Values {
  source: string;
  api: string;
}
const { source, api } = document.body.dataset as Record<string, string>;
const example: Values = { source: source!, api: api! };
let current = example;

/** In commands, a source's id is written as ID. */
const ID = /(^|\s)ID(?=\s|$)/;
const inShell = (code: Element): boolean =>
  code instanceof HTMLElement && code.dataset["language"] == "bash";

/** Pieces of text that hold a value, with the text as it was written. */
const pieces: [node: Text, written: string][] = [];
for (const code of document.querySelectorAll("main code")) {
  const walker = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode as Text;
    if (
      node.data.includes(example.source) ||
      node.data.includes(example.api) ||
      (inShell(code) && ID.test(node.data))
    )
      pieces.push([node, node.data]);
  }
}

const useValues = (values: Values): void => {
  current = values;
  for (const [node, written] of pieces) {
    const text = written
      .replaceAll(example.source, values.source)
      .replaceAll(example.api, values.api);
    node.data = values.source == example.source ? text : text.replace(ID, `$1${values.source}`);
  }
};

const readValues = (): Values => {
  try {
    return { ...example, ...(JSON.parse(remembered("docs-values")) as Partial<Values>) };
  } catch {
    return example;
  }
};
useValues(readValues());
addEventListener("storage", ({ key }) => key == "docs-values" && useValues(readValues()));

const valuesDialog = find<HTMLDialogElement>("values");
const fields = {
  source: find<HTMLInputElement>("values-source"),
  api: find<HTMLInputElement>("values-api"),
};

/** What is wrong with what was typed, or nothing. */
const CHECKS: Record<keyof Values, (text: string) => string> = {
  source: (text) =>
    /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text)
      ? ""
      : "A source id looks like the example's, in five groups. " +
        "Copy it from: thamesthrive source list",
  api: (text) =>
    !/^https?:\/\/[\w.-]+(:\d+)?(\/[\w./-]*)?$/.test(text)
      ? "An address begins with https:// or http://, as in https://events.example.com"
      : /\/(track|tracker)$/.test(text)
        ? "The collector's own address, without /track or /tracker at its end."
        : "",
};
const helps = Object.fromEntries(
  Object.keys(fields).map((name) => [name, find(`values-${name}-help`).innerHTML]),
) as Record<keyof Values, string>;

const check = (name: keyof Values): boolean => {
  const problem = CHECKS[name](typed(name));
  const help = find(`values-${name}-help`);
  help.classList.toggle("bad", !!problem);
  if (problem) help.textContent = problem;
  else help.innerHTML = helps[name];
  fields[name].setAttribute("aria-invalid", String(!!problem));
  return !problem;
};
const typed = (name: keyof Values): string =>
  fields[name].value.trim().replace(name == "api" ? /\/+$/ : /$/, "");

find("open-values").onclick = () => {
  for (const name of ["source", "api"] as const) {
    fields[name].value = current[name];
    check(name);
  }
  valuesDialog.showModal();
};
valuesDialog.querySelector("form")!.onsubmit = (event) => {
  const { value } = (event.submitter || {}) as HTMLButtonElement;
  if (value == "cancel") return;
  if (value == "reset") {
    remember("docs-values", "");
    useValues(example);
    return;
  }
  const wrong = (["source", "api"] as const).filter((name) => !check(name));
  if (wrong.length) {
    event.preventDefault();
    fields[wrong[0]!].focus();
    return;
  }
  const values = { source: typed("source"), api: typed("api") };
  remember("docs-values", JSON.stringify(values));
  useValues(values);
};

// The search: its index is fetched when somebody searches.

const searchDialog = find<HTMLDialogElement>("search");
const load = (name: string): void => {
  // Script elements work from files too, where a page may fetch nothing.
  const script = Object.assign(document.createElement("script"), { src: `${root}assets/${name}` });
  script.onerror = () =>
    (find("search-status").textContent =
      "The search index cannot be loaded. Build the site again: thamesthrive build site");
  document.head.append(script);
};
let loaded = false;
const openSearch = (): void => {
  if (!loaded) {
    loaded = true;
    load("search.js");
  }
  if (!searchDialog.open) searchDialog.showModal();
  find<HTMLInputElement>("search-input").select();
};
find("open-search").onclick = openSearch;
addEventListener("keydown", (event) => {
  const { key, ctrlKey, metaKey, target } = event;
  const typing =
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
  if (
    (key == "/" && !typing && !ctrlKey && !metaKey) ||
    (key.toLowerCase() == "k" && (ctrlKey || metaKey))
  ) {
    event.preventDefault();
    openSearch();
  }
});
for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("click", (event) => event.target == dialog && dialog.close());
}

// Where the reader is in the section, and on the page.

const side = document.querySelector<HTMLElement>(".side");
const here = side?.querySelector<HTMLElement>("[aria-current]");
if (side && here) side.scrollTop = here.offsetTop - side.clientHeight / 2;

const toc = new Map(
  [...document.querySelectorAll<HTMLAnchorElement>(".toc a")].map((link) => [
    link.hash.slice(1),
    link,
  ]),
);
if (toc.size) {
  const seen = new Set<string>();
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries)
        seen[isIntersecting ? "add" : "delete"](target.id);
      const first = [...toc.keys()].find((id) => seen.has(id));
      if (first) for (const [id, link] of toc) link.toggleAttribute("aria-current", id == first);
    },
    { rootMargin: "0px 0px -60% 0px" },
  );
  for (const id of toc.keys()) observer.observe(find(id));
}

export {};
