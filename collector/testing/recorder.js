// Tells what a person does on a page: clicks, filled fields, chosen options. Runs before the page's
// own scripts, in each page that is recorded.
(() => {
  if (window !== top) return;
  const tell = (kind, more = {}) =>
    window.__tt_qa_recorded?.(JSON.stringify({ kind, at: Date.now(), page: location.href, ...more }));

  const ACTIVE =
    'a[href],button,input,select,textarea,label,summary,[role="button"],[role="link"],[role="tab"],' +
    '[role="menuitem"],[role="option"],[role="checkbox"],[role="switch"],[onclick],[data-thamesthrive-tag]';
  const TICKED = ["checkbox", "radio"];
  const PRESSED = ["button", "submit", "reset", "image", "file", "color", "range"];

  const isOnly = (selector, element) => {
    const found = document.querySelectorAll(selector);
    return found.length === 1 && found[0] === element;
  };
  const text = (element) => (element?.textContent ?? "").replace(/\s+/g, " ").trim();
  const isTicked = (element) => element.matches?.("input") && TICKED.includes(element.type);
  const isTyped = (element) =>
    element.matches?.("textarea") ||
    (element.matches?.("input") && !TICKED.includes(element.type) && !PRESSED.includes(element.type));

  // How a test finds the element again: by what people see, where that is unique.
  const targetOf = (element) => {
    const id = element.getAttribute("data-testid");
    if (id && isOnly(`[data-testid=${CSS.escape(id)}]`, element)) return { by: "test_id", value: id };
    // Made by a framework, and another one next time.
    if (element.id && !/\d{3}|[:]/.test(element.id) && isOnly(`#${CSS.escape(element.id)}`, element)) {
      return { by: "css", value: `#${CSS.escape(element.id)}` };
    }
    const role = roleOf(element);
    const name = element.getAttribute("aria-label") || text(element);
    if (role && name && name.length <= 60) {
      const same = [...document.querySelectorAll(ROLES[role])].filter(
        (other) => (other.getAttribute("aria-label") || text(other)) === name,
      );
      if (same.length === 1) return { by: "role", role, value: name };
    }
    const label = element.labels?.[0];
    const words = label && !label.contains(element) ? text(label) : "";
    const labels = [...document.querySelectorAll("label")].filter((other) => text(other) === words);
    if (words && labels.length === 1) return { by: "label", value: words };
    const named = element.getAttribute("name");
    const byName = named && `${element.localName}[name=${CSS.escape(named)}]`;
    if (byName && isOnly(byName, element)) return { by: "css", value: byName };
    return { by: "css", value: pathOf(element) };
  };
  const ROLES = { button: 'button,[role="button"]', link: 'a[href],[role="link"]', tab: '[role="tab"]' };
  const roleOf = (element) => Object.keys(ROLES).find((role) => element.matches(ROLES[role]));
  const pathOf = (element) => {
    const steps = [];
    for (let one = element; one && one !== document.documentElement; one = one.parentElement) {
      const same = [...(one.parentElement?.children ?? [])].filter((other) => other.localName === one.localName);
      const place = same.length > 1 ? `:nth-of-type(${same.indexOf(one) + 1})` : "";
      steps.unshift(one.localName + place);
      if (isOnly(steps.join(" > "), element)) break;
    }
    return steps.join(" > ");
  };

  // What was typed is told once it is complete: when the field or the page is left, or something
  // else is done.
  let typing = null;
  const tellTyped = () => {
    if (!typing) return;
    const { element, at } = typing;
    typing = null;
    const isSecret = element.type === "password";
    tell("fill", { at, target: targetOf(element), value: isSecret ? "" : element.value, isSecret });
  };
  let entered = 0;
  const on = (type, listener) => addEventListener(type, (event) => event.isTrusted && listener(event), true);

  on("input", ({ target }) => {
    if (!isTyped(target)) return;
    if (typing?.element !== target) tellTyped();
    typing ??= { element: target, at: Date.now() };
  });
  on("change", ({ target }) => {
    if (isTyped(target)) tellTyped();
    else if (isTicked(target)) tell(target.checked ? "check" : "uncheck", { target: targetOf(target) });
    else if (target.matches("select")) {
      tell("select", { target: targetOf(target), value: [...target.selectedOptions].map((one) => one.value) });
    }
  });
  on("keydown", ({ key, target }) => {
    if (key !== "Enter" || !isTyped(target) || target.matches("textarea")) return;
    tellTyped();
    entered = Date.now();
    tell("press", { target: targetOf(target), value: "Enter" });
  });
  on("click", (event) => {
    const first = event.composedPath()[0];
    const element = first.closest?.(ACTIVE) ?? first;
    tellTyped();
    if (!element.matches || element.matches("select,option,html,body") || isTicked(element) || isTyped(element)) return;
    if (element.matches("label") && element.control) return; // its field is told
    if (event.detail === 0 && Date.now() - entered < 500) return; // Enter sends the form by such a click
    tell("click", { target: targetOf(element) });
  });
  on("popstate", () => tell("popstate"));
  addEventListener("pagehide", tellTyped);

  const [entry] = performance.getEntriesByType("navigation");
  // The referrer is known once the document is there.
  addEventListener("DOMContentLoaded", () =>
    tell("page", { at: performance.timeOrigin, type: entry?.type, referrer: document.referrer }),
  );
})();
