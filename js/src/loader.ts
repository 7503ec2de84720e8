/**
 * The inline loader: defines `window.tracker.track` at once, and at DOMContentLoaded reads `options` and loads the
 * bundle. Until the bundle is there, events are kept in localStorage, because a collector that is down serves no bundle
 * either, and the visitor may close the tab before it is back. `callKey` and `refusesTracking` are written out here: a
 * function that is called once costs bytes.
 */
import { QUEUE } from "./storage-keys";
import type { LoaderCall, ReadyQueue, Tracker, TrackerOptions, TrackerWindow } from "./types";

declare const options: { tracker: TrackerOptions };

const page = window as unknown as TrackerWindow;
const { nonce } = document.currentScript as HTMLScriptElement;
const calls: LoaderCall[] = [];
let prefix: string;
let started: unknown;
let wait = 500;

const keep = ([key, json]: LoaderCall): void => {
  try {
    if (prefix) localStorage[prefix + key] = json;
  } catch {
    // Storage is refused or full: the event waits in memory.
  }
};

const load = (src: string): void =>
  document.head.append(
    Object.assign(document.createElement("script"), {
      src,
      nonce,
      onerror: () => setTimeout(load, (wait *= 2), src),
    }),
  );

const start = (): void => {
  if (started) return;
  started = 1;
  try {
    const { url, source, settings } = options.tracker;
    const src = url!.script!.replace(/\/*$/, "/tracker.min.js");
    const key = `${QUEUE}.${source!.id!.trim()}.`;
    // Read as text, which is shorter than the names.
    const set = JSON.stringify(settings);
    if (
      /Track":true/.test(set) &&
      (+navigator.doNotTrack! > 0 ||
        (navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl)
    )
      return;
    if (!/"(memory|pending|denied)"/.test(set)) prefix = key;
    calls.map(keep);
    load(src);
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
        // As JSON at once: what the page does to its objects afterwards does not reach the event.
        const call: LoaderCall = [
          key,
          JSON.stringify([document.URL, document.title, document.referrer, ...given]),
          done,
        ];
        calls.push(call);
        keep(call);
      }).catch((error) => (console.error(error), { stored: false, id: key, reason: "invalid" }));
    },
  } as Tracker & { calls: LoaderCall[] };
  const ready = (page.onThamesThriveReady = [] as unknown as ReadyQueue);
  ready.bind = ready.push;
  addEventListener("DOMContentLoaded", start);
  // A page that is left before DOMContentLoaded keeps its events for the next one.
  addEventListener("pagehide", start);
  if (document.readyState != "loading") setTimeout(start);
}
