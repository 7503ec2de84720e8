/** The entry of `tracker.min.js`: takes over from the loader, or starts from its script tag. */
import { readConfig } from "./config";
import { startTracker } from "./core";
import type { ReadyQueue, TrackerWindow } from "./types";

const page = window as unknown as TrackerWindow;
// Set only while the script itself runs: later it is null, so it is kept.
const script = document.currentScript as HTMLScriptElement;
const config = readConfig(script);

/** Loads another file of the bundle from where this one came, and hands `given` over to it. */
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
  page.tracker ||= {};
  const bind = startTracker(config, page.tracker, (features) => load("page", features));
  const readyQueue = (page.onThamesThriveReady ||= { bind }) as ReadyQueue;
  readyQueue.bind = bind;
  readyQueue.map?.(bind);
  if (WITH_DEBUG && (config.settings?.debug || /#thamesthrive-debug/.test(location.href))) {
    load("debug", { config });
  }
} else console.error("[ThamesThrive] no data-source, no options.tracker: see docs");
