"""The keyboard alone: Tab through a page, with a look at each element that it reaches."""

from playwright.sync_api import Page

# `stops`: what Tab must reach. `start`: before the page's first element, as from the address bar.
# `look`: what is wrong with the focused element, when the next key is pressed: by then the browser has
# scrolled to it.
SCRIPT = """() => {
  const isStop = (node) =>
    node.tabIndex >= 0 && !node.matches(":disabled") && !node.closest("[inert]") &&
    node.checkVisibility({ visibilityProperty: true });
  const selector = "a[href], button, input, select, textarea, summary, [tabindex]";
  const name = (node) => {
    const found = node.outerHTML.replace(/ (hx-|data-)[\\w:-]+="[^"]*"/g, "").slice(0, 160);
    return found.replace(/\\s+/g, " ");
  };
  const faults = [], log = [];
  const look = () => {
    const node = document.activeElement;
    if (!node || node === document.body || node === document.documentElement) return;
    if (log.at(-1) !== node) log.push(node);
    const style = getComputedStyle(node), box = node.getBoundingClientRect();
    if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2)
      faults.push(`no sign of the focus on ${name(node)}`);
    const part = [...node.getClientRects()].find((one) => one.width && one.height) ?? box;
    const left = Math.max(part.left, 0), right = Math.min(part.right, innerWidth);
    const top = Math.max(part.top, 0), bottom = Math.min(part.bottom, innerHeight);
    if (right - left < 1 || bottom - top < 1) {
      faults.push(`out of sight: ${name(node)}`);
      return;
    }
    const over = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
    if (!over || !(node.contains(over) || over.contains(node) || over.closest("label")?.control === node))
      faults.push(`${name(node)} is below ${over && name(over)}`);
  };
  addEventListener("keydown", (event) => event.key === "Tab" && look(), true);
  // Firefox's driver does not pass on that somebody prefers pages that scroll at once.
  document.documentElement.style.scrollBehavior = "auto";
  window.keyboard = {
    look,
    stops: () => [...document.querySelectorAll(selector)].filter(isStop),
    start: () => {
      log.length = faults.length = 0;
      const first = document.createElement("i");
      first.tabIndex = -1;
      document.body.prepend(first);
      first.focus();
      first.remove(); // the browser goes on from where it was
    },
    // Browsers stop at what scrolls as well.
    reached: (stops) => log.filter((node) => stops.includes(node)),
    report: (backwards) => {
      look();
      let stops = window.keyboard.stops();
      const reached = window.keyboard.reached(stops);
      if (backwards) stops = stops.reverse();
      for (let at = 0; at < stops.length; at++)
        if (reached[at] !== stops[at]) {
          const found = reached[at] ? name(reached[at]) : "nothing";
          faults.push(`stop ${at + 1} is ${found} instead of ${name(stops[at])}`);
          break;
        }
      const all = [...new Set(faults)];
      log.length = faults.length = 0;
      return all;
    },
  };
}"""


def start(page: Page) -> None:
    """Puts the focus before the first element of the page."""
    if not page.evaluate("'keyboard' in window"):
        page.evaluate(SCRIPT)
    page.evaluate("keyboard.start()")


def _press_through(page: Page, key: str) -> list[str]:
    """Presses a key until it has reached all stops, or a few times more than there are. Not beyond
    the last one: Firefox has its own buttons there."""
    for _ in range(4):
        # A date has several stops, for instance, and what scrolls is one.
        left = page.evaluate(
            "() => { keyboard.look(); const stops = keyboard.stops();"
            " return stops.length - keyboard.reached(stops).length; }"
        )
        for _ in range(left):
            page.keyboard.press(key)
    found: list[str] = page.evaluate("back => keyboard.report(back)", "Shift" in key)
    return found


def walk(page: Page, *, back: bool = True) -> list[str]:
    """Walks through a page by Tab, and back again. Returns what is wrong with it."""
    start(page)
    faults = _press_through(page, "Tab")
    if back and not faults:
        faults = _press_through(page, "Shift+Tab")
    return faults
