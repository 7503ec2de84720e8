/** The bundle's entry: takes over from the loader, or starts from a script tag with `data-source`. */
import { readConfig } from "./config";
import { eventJson } from "./event";
import { profileId, sessionId } from "./identity";
import { callKey, eventId } from "./ids";
import { queueKey } from "./names";
import { refusesTracking } from "./privacy";
import { bytes, createQueue } from "./queue";
import { storage } from "./storage";
import { createTransport } from "./transport";
import type { Answer, LoaderCall, ReadyCallback, ReadyQueue, TrackCall, Tracker, TrackerOptions, TrackerWindow, TrackResult } from "./types";

const page = window as unknown as TrackerWindow;

const start = (config: TrackerOptions): void => {
  const { settings = {}, context = {} } = config;
  if (settings.respectDoNotTrack && refusesTracking()) return;
  storage.off = settings.persistence == "memory";

  let answered!: (answer: Answer | null) => void;
  const ready = new Promise<Answer | null>((resolve) => (answered = resolve));
  const wire = (key: string, call: TrackCall): string => eventJson(key, call, context["page"] !== false);
  const queue = createQueue(queueKey(config.source!.id!.trim()), (key, call) => [sessionId(), wire(key, JSON.parse(call))]);
  const { flush, schedule, leave, resume } = createTransport(queue, config, answered);

  // The loader's object, filled: the page may hold a reference to it, or to its first `track`.
  const loaded = (page.tracker ||= {});
  const calls = loaded.calls || [];
  let count = calls.length;

  const accept = (key: string, call: TrackCall, done: (result: TrackResult) => void): void => {
    const json = wire(key, call);
    queue.add({ key, id: eventId(key), json, size: bytes(json), session: sessionId(), done });
    const { fire, asBeacon } = call[5] || {};
    if (fire || asBeacon) void flush();
    else if (document.readyState == "complete") schedule(settings.flushInterval ?? 1e3);
  };
  const take = ([key, json, done]: LoaderCall): void => accept(key, JSON.parse(json), done);

  calls.map(take);
  queue.recover(0);
  calls.push = (...late) => (late.map(take), 0);
  const tracker = Object.defineProperties(loaded as Tracker, Object.getOwnPropertyDescriptors({
    track(...given: Parameters<Tracker["track"]>) {
      const key = callKey(count++);
      return new Promise<TrackResult>((done) => {
        accept(key, [document.URL, document.title, document.referrer, ...given], done);
      }).catch((error) => {
        // Circular structures and BigInt: the page must not break, and its owner must hear of it.
        console.error("[ThamesThrive]", error);
        return { stored: false, id: eventId(key), reason: "invalid", detail: "" + error };
      });
    },
    flush,
    ready,
    get profileId() { return profileId(); },
    get sessionId() { return sessionId(); },
  }));

  // Each callback in a job of its own: one that throws stops no other, and the browser reports it.
  const bind = (callback: ReadyCallback): void => void ready.then((answer) => callback({ tracker, context: answer, config }));
  const bound = (page.onThamesThriveReady ||= { bind }) as ReadyQueue;
  bound.bind = bind;
  bound.map?.(bind);

  if (document.readyState == "complete") void flush();
  else addEventListener("load", flush);
  addEventListener("online", resume);
  addEventListener("pagehide", leave);
  addEventListener("pageshow", (event) => event.persisted && flush());
  document.addEventListener("visibilitychange", () => document.visibilityState == "hidden" && leave());
};

const config = readConfig(document.currentScript as HTMLScriptElement | null);
if (page.tracker?.flush) console.warn("[ThamesThrive] pasted twice");
else if (config) start(config);
else console.error("[ThamesThrive] No data-source on the script tag and no options.tracker on the page, see the docs");
