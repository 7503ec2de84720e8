/**
 * The inline loader. It defines `window.tracker.track` at once; at DOMContentLoaded it reads
 * `options` and loads the bundle. Until the bundle is there it stores events in localStorage: a
 * collector that is down serves no bundle either, and the visitor may close the tab before it is
 * back. `callKey`, `queuePrefix` and `refusesTracking` are written out here, because each function
 * costs bytes in every page.
 */
import { QUEUE_KEY } from "./storage-keys";
import type { LoaderCall, ReadyQueue, Tracker, TrackerOptions, TrackerWindow } from "./types";

declare const options: { tracker: TrackerOptions };

const page = window as unknown as TrackerWindow;
// Set only while the script itself runs: later it is null.
const { nonce } = document.currentScript as HTMLScriptElement;
const calls: LoaderCall[] = [];
/** Empty until it is known that events may be stored. */
let prefix: string;
let started: unknown;
let retryDelay = 500; // milliseconds

/**
 * Reads `options`, and hands the bundle's address over to `proceed`, unless the visitor wants no
 * tracking. From now on calls are stored, if they may be.
 */
const configure = (proceed?: (src: string) => void): void => {
  const { url, source, settings } = options.tracker;
  const src = url!.script!.replace(/\/*$/, "/tracker.min.js");
  const key = `${QUEUE_KEY}.${source!.id!.trim()}.`;
  // To search the JSON for `respectDoNotTrack` and the rest is shorter than to name them.
  const json = JSON.stringify(settings);
  if (
    /Track":true/.test(json) &&
    (+navigator.doNotTrack! > 0 ||
      (navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl)
  ) {
    return;
  }
  if (!prefix && !/"(memory|pending|denied)"/.test(json)) {
    prefix = key;
    calls.forEach(store);
  }
  proceed?.(src);
};

const store = ([key, json]: LoaderCall): void => {
  try {
    configure();
    if (prefix) localStorage[prefix + key] = json;
  } catch {
    // `options` is yet to come, or storage is refused or full: the event waits in memory.
  }
};

const load = (src: string): void =>
  document.head.append(
    Object.assign(document.createElement("script"), {
      src,
      nonce,
      onerror() {
        retryDelay *= 2;
        setTimeout(load, retryDelay, src);
      },
    }),
  );

const start = (): void => {
  if (started) return;
  started = 1;
  try {
    configure(load);
  } catch {
    console.error("[ThamesThrive] options.tracker needs url.script, source.id: see docs");
  }
};

if (page.tracker) console.warn("[ThamesThrive] pasted twice");
else {
  page.tracker = {
    calls,
    track(...given: Parameters<Tracker["track"]>) {
      const key = Date.now() * 1e3 + calls.length + Math.random().toFixed(15);
      return new Promise((done) => {
        // JSON at once: what the page does to its objects later does not reach the event.
        const json = JSON.stringify([document.URL, document.title, document.referrer, ...given]);
        const call: LoaderCall = [key, json, done];
        calls.push(call);
        store(call);
      }).catch((error) => {
        console.error(error);
        return { stored: false, id: key, reason: "invalid" };
      });
    },
  } as Tracker & { calls: LoaderCall[] };
  const readyQueue = [] as unknown as ReadyQueue;
  readyQueue.bind = readyQueue.push;
  page.onThamesThriveReady = readyQueue;
  // Not "load", which waits for images. A script that runs later missed it, so there is a timer.
  addEventListener("DOMContentLoaded", start);
  // A page that is left before DOMContentLoaded stores its events for the next one.
  addEventListener("pagehide", start);
  if (document.readyState != "loading") setTimeout(start);
}
