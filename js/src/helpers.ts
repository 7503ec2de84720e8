import type { Helpers } from "./types";

export const addListener: Helpers["addListener"] = (target, names, listener, options) => {
  const found =
    typeof target == "string"
      ? document.querySelectorAll(target)
      : "addEventListener" in target
        ? [target]
        : target;
  const nodes = [...found];
  const all = (verb: "addEventListener" | "removeEventListener"): void =>
    nodes.forEach((node) =>
      names.split(" ").forEach((name) => node[verb](name, listener, options)),
    );
  all("addEventListener");
  return () => all("removeEventListener");
};
