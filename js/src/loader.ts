/**
 * The inline loader: defines `window.tracker.track` at once, and at DOMContentLoaded reads `options` and loads the
 * bundle. Until the bundle is there, events are kept in localStorage, because a collector that is down serves no bundle
 * either, and the visitor may close the tab before it is back.
 */
import { callKey } from "./ids";
import { refusesTracking } from "./privacy";
import { queueKey } from "./names";
import type { LoaderCall, ReadyQueue, Tracker, TrackerOptions, TrackerWindow } from "./types";

declare const options: { tracker: TrackerOptions };

const page = window as unknown as TrackerWindow;
const calls: LoaderCall[] = [];
let prefix: string | undefined;
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
      // Doubles up to a minute.
      onerror: () => setTimeout(load, (wait <<= +(wait < 6e4)), src),
    }),
  );

const start = (): void => {
  if (prefix != null) return;
  prefix = "";
  try {
    const { url, source, settings = {} } = options.tracker;
    const src = url!.script!.replace(/\/*$/, "/tracker.min.js");
    const key = queueKey(source!.id!.trim());
    if (settings.respectDoNotTrack && refusesTracking()) return;
    if (settings.persistence != "memory") prefix = key;
    calls.map(keep);
    load(src);
  } catch {
    console.error("[ThamesThrive] options.tracker needs url.script and source.id: see docs");
  }
};

if (page.tracker) console.warn("[ThamesThrive] pasted twice");
else {
  page.tracker = {
    calls,
    track(...given: Parameters<Tracker["track"]>) {
      const key = callKey(calls.length);
      return new Promise((done) => {
        // As JSON at once: what the page does to its objects afterwards does not reach the event.
        const call: LoaderCall = [key, JSON.stringify([document.URL, document.title, document.referrer, ...given]), done];
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
