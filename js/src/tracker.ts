/** The bundle's entry: takes over from the loader, or starts from a script tag with `data-source`. */
import { readConfig } from "./config";
import { create } from "./core";
import type { ReadyQueue, TrackerWindow } from "./types";

const page = window as unknown as TrackerWindow;
const script = document.currentScript as HTMLScriptElement;
const config = readConfig(script);

/** Another file of the bundle, from where this one came. */
const load = (name: string, given: object): void => {
  const { src, nonce } = script;
  document.head.append(
    Object.assign(document.createElement("script"), {
      src: src.replace(/[^/]*$/, name + ".min.js"),
      nonce,
      given,
      onerror: () => setTimeout(load, 1e4, name, given),
    }),
  );
};

if (page.tracker?.flush) console.warn("[ThamesThrive] pasted twice");
else if (config) {
  const bind = create(config, (page.tracker ||= {}), (part) => load("page", part));
  const bound = (page.onThamesThriveReady ||= { bind }) as ReadyQueue;
  bound.bind = bind;
  bound.map?.(bind);
  if (WITH_DEBUG && (config.settings?.debug || /#thamesthrive-debug/.test(location.href)))
    load("debug", { config });
} else console.error("[ThamesThrive] no data-source, no options.tracker: see docs");
