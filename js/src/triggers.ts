/** `auto.triggers`: elements that carry a tag send events, also those that are added later. */
import type { Trigger } from "./types";

const TAG = "data-thamesthrive-tag";

type Fire = (name: Trigger["trigger"], nodes: EventTarget[], from?: EventTarget | null) => void;

/** Fires when the visitor has stopped changing the selection for half a second. */
const watchSelection = (fire: Fire): void => {
  let timer: ReturnType<typeof setTimeout>;
  document.addEventListener("selectionchange", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const selection = getSelection()!;
      const nodes = [];
      let node = selection.isCollapsed ? null : selection.anchorNode;
      for (; node; node = node.parentNode) nodes.push(node);
      fire("onTextSelect", nodes);
    }, 500);
  });
};

/** Fires when a tagged element comes into view, once for each. */
const watchVisibility = (fire: Fire): void => {
  const seen = new WeakSet<Element>();
  const observer = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting) {
        observer.unobserve(target);
        fire("onVisible", [target]);
      }
    }
  });
  let timer: unknown;
  const observeNew = (): void => {
    timer = 0;
    for (const element of document.querySelectorAll(`[${TAG}]`)) {
      if (!seen.has(element)) observer.observe(element);
      seen.add(element);
    }
  };
  // Twice a second at most: a page that builds itself must not pay for each of its elements.
  const mutations = new MutationObserver(() => {
    timer ||= setTimeout(observeNew, 500);
  });
  mutations.observe(document, { subtree: true, childList: true, attributeFilter: [TAG] });
  observeNew();
};

/** Returns what tracks a click on these elements; all others are listened for. */
export const watchTriggers = (
  triggers: Trigger[],
  track: (data: Trigger["data"]) => void,
): ((path: EventTarget[]) => void) => {
  /** Tracks what these elements are tagged for. `from`: the element that the pointer came from. */
  const fire: Fire = (name, nodes, from) => {
    for (const node of nodes as Element[]) {
      const tags = node.getAttribute?.(TAG)?.split(/\s+/);
      // Moving within an element does not enter it.
      if (tags && !(from && node.contains(from as Node))) {
        for (const { tag, trigger, data } of triggers) {
          if (trigger == name && tags.includes(tag)) track(data);
        }
      }
    }
  };
  const listen = (event: string, name: Trigger["trigger"]): void =>
    addEventListener(
      event,
      // The composed path reaches into open shadow trees.
      (happened) => fire(name, happened.composedPath(), (happened as MouseEvent).relatedTarget),
      true,
    );
  listen("mouseover", "onMouseOver");
  listen("submit", "onSubmit");
  watchSelection(fire);
  watchVisibility(fire);
  return (path) => fire("onClick", path);
};
