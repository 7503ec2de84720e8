import type { Helpers, Response, TrackResult } from "./types";

/** A call of `track` with the page before it: settles with the verdict and the response it had. */
export type Call = (referrer: string, ...given: unknown[]) => Promise<Outcome>;
export type Outcome = [result: TrackResult, response?: Response | undefined];

const addListener: Helpers["addListener"] = (target, names, listener, options) => {
  const nodes =
    typeof target == "string"
      ? [...document.querySelectorAll(target)]
      : (target as EventTarget).addEventListener
        ? [target as EventTarget]
        : [...(target as Iterable<EventTarget>)];
  const forAll = (method: "addEventListener" | "removeEventListener"): void =>
    nodes.forEach((node) =>
      names.split(" ").forEach((name) => node[method](name, listener, options)),
    );
  forAll("addEventListener");
  return () => forAll("removeEventListener");
};

/** What callbacks of `onThamesThriveReady` get as `helpers`. */
export const createHelpers = (call: Call): Helpers => ({
  track: (...given) =>
    call(document.referrer, ...given).then(([, response]) => response || { status: 0, data: null }),
  addListener,
  onClick: (target, listener) => addListener(target, "click", listener),
});
