/**
 * The search: an index made in the browser of `search-index.js`. That is a script, because pages
 * opened from files can load nothing else.
 */
import MiniSearch from "minisearch";

type PageSection = [id: string, heading: string, text: string];
type Page = [url: string, title: string, summary: string, parts: PageSection[]];

interface Entry {
  id: number;
  url: string;
  title: string;
  heading: string;
  text: string;
  section: string;
}

const SHOWN = 12;
const root = document.body.dataset["root"]!;
const dialog = document.getElementById("search") as HTMLDialogElement;
const input = document.getElementById("search-input") as HTMLInputElement;
const list = document.getElementById("search-results")!;
const status = document.getElementById("search-status")!;

const index = new MiniSearch<Entry>({
  fields: ["title", "heading", "text"],
  storeFields: ["url", "title", "heading", "text", "section"],
  // Words like `settings.consent`, `--queue-mb` and `unknown_source` are found whole and in parts.
  tokenize: (text) => {
    const words = text.split(/[\s"'`(){}[\]<>,;:=|/]+/);
    return [
      ...new Set([...words, ...words.flatMap((word) => word.split(/[^\p{L}\p{N}]+/u))]),
    ].filter(Boolean);
  },
  searchOptions: {
    boost: { title: 4, heading: 2 },
    prefix: true,
    fuzzy: (term) => (term.length > 3 ? 0.25 : 0),
    combineWith: "AND",
  },
});

/** The results as links; the arrow keys go through them. */
const links = (): HTMLElement[] => [...list.querySelectorAll("a")];

/** Some words around the first that was found, with what was found marked. */
const excerpt = (text: string, terms: string[]): Node[] => {
  const positions = terms
    .map((term) => text.toLowerCase().indexOf(term))
    .filter((position) => position >= 0);
  // Whole words, from a little before the first that was found.
  const before = Math.max(0, Math.min(...positions, text.length) - 40);
  const from = positions.length && before ? text.indexOf(" ", before) + 1 : 0;
  const end = text.indexOf(" ", from + 140);
  const cut = (end < 0 ? text.slice(from) : text.slice(from, end) + " …").trim();
  const pattern = new RegExp(
    `(${terms.map((term) => term.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|")})`,
    "giu",
  );
  const nodes: Node[] = [document.createTextNode(from ? "… " : "")];
  cut.split(pattern).forEach((piece, n) => {
    const node = n % 2 ? document.createElement("mark") : document.createTextNode(piece);
    if (n % 2) node.textContent = piece;
    nodes.push(node);
  });
  return nodes;
};

const show = (): void => {
  const words = input.value.trim();
  const wanted = words.toLowerCase();
  const found = words
    ? index.search(words, {
        // What is called exactly so comes first: an option, a command, a reason word.
        boostDocument: (_id, _term, stored) => {
          const { heading, title, text } = stored as unknown as Entry;
          if ((heading || title).toLowerCase() == wanted) return 20;
          return (heading || title).toLowerCase().includes(wanted)
            ? 5
            : text.toLowerCase().includes(wanted)
              ? 3
              : 1;
        },
      })
    : [];
  list.replaceChildren(
    ...found.slice(0, SHOWN).map((entry) => {
      const link = Object.assign(document.createElement("a"), { href: root + entry["url"] });
      const name = document.createElement("strong");
      name.textContent = entry["heading"] || entry["title"];
      const where = document.createElement("small");
      where.textContent = [entry["section"], entry["title"]]
        .filter((text) => text && text != name.textContent)
        .join(" / ");
      const words = document.createElement("small");
      words.append(...excerpt(entry["text"], entry.terms));
      link.append(name, where, words);
      link.onclick = () => dialog.close();
      const item = document.createElement("li");
      item.append(link);
      return item;
    }),
  );
  status.textContent = !words
    ? "Type what you look for."
    : !found.length
      ? `Nothing has “${words}”. Try fewer or other words, or an option's or a command's name.`
      : found.length > SHOWN
        ? `${SHOWN} of ${found.length} places. More words narrow it down.`
        : `${found.length} place${found.length > 1 ? "s" : ""}.`;
};

input.addEventListener("input", show);
dialog.addEventListener("keydown", (event) => {
  const { key } = event;
  const all = links();
  const here = all.indexOf(document.activeElement as HTMLElement);
  if (key == "ArrowDown" || key == "ArrowUp") {
    event.preventDefault();
    (all[here + (key == "ArrowDown" ? 1 : -1)] || input).focus();
  } else if (key == "Enter" && here < 0) {
    event.preventDefault();
    all[0]?.click();
  } else if (key == "Escape") {
    // The field would only be emptied.
    event.preventDefault();
    dialog.close();
  }
});

(window as unknown as Record<string, unknown>)["thamesthriveSearch"] = (
  sections: Record<string, string>,
  pages: Page[],
): void => {
  let id = 0;
  index.addAll(
    pages.flatMap(([url, title, summary, parts]) => {
      const section = sections[url.slice(0, url.lastIndexOf("/"))] || "";
      const first = { id: id++, url, title, heading: "", text: summary, section };
      return [
        first,
        ...parts.map(([anchor, heading, text]) => ({
          id: id++,
          url: url + (anchor && "#" + anchor),
          title,
          heading,
          text,
          section,
        })),
      ];
    }),
  );
  show();
};
status.textContent = "Loading the index …";
const script = Object.assign(document.createElement("script"), {
  src: `${root}assets/search-index.js`,
});
script.onerror = () =>
  (status.textContent =
    "The search index cannot be loaded. Build the site again: thamesthrive build site");
document.head.append(script);
