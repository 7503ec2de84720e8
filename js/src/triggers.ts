/** `auto.triggers`: elements that carry a tag send events, whenever they came onto the page. */
import type { Trigger } from "./types";

const TAG = "data-thamesthrive-tag";

export const watchTriggers = (
  triggers: Trigger[],
  track: (data: Trigger["data"]) => void,
): void => {
  /** Tracks what is wanted of one of these elements: `from` is where the pointer was before. */
  const fire = (name: string, nodes: Iterable<unknown>, from?: unknown): void => {
    for (const node of nodes as Iterable<Element>) {
      const tags = node.getAttribute?.(TAG)?.split(/\s+/);
      // To move within an element is not to enter it.
      if (tags && !(from && node.contains(from as Node))) {
        for (const { tag, trigger, data } of triggers)
          if (trigger == name && tags.includes(tag)) track(data);
      }
    }
  };
  const watch = (event: string, name: string): void =>
    addEventListener(
      event,
      (happened) => fire(name, happened.composedPath(), (happened as MouseEvent).relatedTarget),
      true,
    );
  watch("click", "onClick");
  watch("mouseover", "onMouseOver");
  watch("submit", "onSubmit");

  let pause: ReturnType<typeof setTimeout>;
  document.addEventListener("selectionchange", () => {
    clearTimeout(pause);
    // When the selection has come to rest.
    pause = setTimeout(() => {
      const selection = getSelection()!;
      const nodes = [];
      for (
        let node = selection.isCollapsed ? null : selection.anchorNode;
        node;
        node = node.parentNode
      )
        nodes.push(node);
      fire("onTextSelect", nodes);
    }, 500);
  });

  const seen = new WeakSet<Element>();
  const observer = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting) {
        observer.unobserve(target);
        fire("onVisible", [target]);
      }
    }
  });
  let due: unknown;
  const look = (): void => {
    due = 0;
    for (const element of document.querySelectorAll(`[${TAG}]`))
      if (!seen.has(element)) observer.observe(seen.add(element) && element);
  };
  // Twice a second at most: a page that builds itself must not pay for each of its elements.
  new MutationObserver(() => (due ||= setTimeout(look, 500))).observe(document, {
    subtree: true,
    childList: true,
    attributeFilter: [TAG],
  });
  look();
};
