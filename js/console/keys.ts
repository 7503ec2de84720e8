/** What keys do beside a browser's own: arrows within a bar of links, Escape in the menu. */

const BAR = "[data-arrow-keys]";
const STEPS: Record<string, (at: number, last: number) => number> = {
  ArrowLeft: (at) => at - 1,
  ArrowRight: (at) => at + 1,
  Home: () => 0,
  End: (_, last) => last,
};

const linksOf = (bar: Element): SVGAElement[] => [...bar.querySelectorAll<SVGAElement>("a")];

/** Where Tab stops in each bar: at the link that had the focus last, or at the last one of all. */
const places = new WeakMap<Element, number>();

/** Makes each bar one stop. Without a script, each of its links is one. */
const setStops = (): void => {
  for (const bar of document.querySelectorAll(BAR)) {
    const links = linksOf(bar);
    const stop = links[places.get(bar) ?? links.length - 1];
    for (const link of links) link.setAttribute("tabindex", link === stop ? "0" : "-1");
  }
};

const move = (event: KeyboardEvent): void => {
  const link = (event.target as Element).closest<SVGAElement>(`${BAR} a`);
  const step = STEPS[event.key];
  if (!link || !step || event.altKey || event.ctrlKey || event.metaKey) return;
  const links = linksOf(link.closest(BAR)!);
  const last = links.length - 1;
  links[Math.max(0, Math.min(last, step(links.indexOf(link), last)))]!.focus();
  event.preventDefault();
};

const startMenu = (): void => {
  const menu = document.querySelector<HTMLDetailsElement>("details.menu");
  if (!menu) return;
  const isOutside = (node: EventTarget | null): boolean =>
    node instanceof Node && !menu.contains(node);
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary")!.focus();
  });
  // It covers what is below it.
  addEventListener("focusin", (event) => {
    if (isOutside(event.target)) menu.open = false;
  });
  addEventListener("click", (event) => {
    if (isOutside(event.target)) menu.open = false;
  });
};

export const startKeys = (): void => {
  setStops();
  document.addEventListener("htmx:after:swap", setStops);
  document.addEventListener("keydown", move);
  document.addEventListener("focusin", (event) => {
    const link = (event.target as Element).closest<SVGAElement>(`${BAR} a`);
    const bar = link?.closest(BAR);
    if (!link || !bar) return;
    places.set(bar, linksOf(bar).indexOf(link));
    setStops();
    // Firefox leaves a low bar below the window's edge if only the top of the drawing is in sight.
    // Not for the pointer: what it has pressed would move away from below it.
    if (link.matches(":focus-visible")) bar.scrollIntoView({ block: "nearest" });
  });
  startMenu();
};
