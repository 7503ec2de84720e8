/** One tracker: what `window.tracker` is, and what `createTracker` of the module gives. */
import { sessionContext } from "./context";
import { addListener } from "./helpers";
import { forgetVisitor, newVisit, profileId, sessionId } from "./identity";
import { callKey, eventId, timeOf } from "./ids";
import { QUEUE, queueKey } from "./storage-keys";
import type { Part } from "./page-features";
import { refusesTracking } from "./privacy";
import { createQueue } from "./queue";
import { forget, keys, storage } from "./storage";
import { createTransport } from "./transport";
import type {
  Answer,
  Helpers,
  Json,
  LoaderCall,
  ReadyCallback,
  Response,
  TrackCall,
  Tracker,
  TrackerOptions,
  TrackResult,
} from "./types";
import { watchViews } from "./page-views";

/** The wire JSON of an event: what was tracked, when, on the page as it was then. */
export const eventJson = (
  key: string,
  [url, title, referrer, type, properties, given]: TrackCall,
  page: unknown,
): string => {
  const { context, ...options } = given || {};
  return JSON.stringify({
    id: eventId(key),
    type,
    time: { create: new Date(timeOf(key)) },
    properties,
    context: {
      page: page != false ? { url, path: new URL(url).pathname, title, referrer } : undefined,
      ...context,
    },
    options,
  });
};

/** The object that a page knows as its tracker, and the calls that a loader has gathered in it. */
export type Loaded = Partial<Tracker> & { calls?: LoaderCall[] };

/** `load` starts the part in page.ts. Returns what binds callbacks to the first answer. */
export const create = (
  config: TrackerOptions,
  tracker: Loaded,
  load: (part: Part) => void,
): ((callback: ReadyCallback) => void) => {
  const { settings = {}, context = {}, auto = {}, listeners = {} } = config;
  const source = config.source!.id!.trim();
  const doNotTrack = settings.respectDoNotTrack && refusesTracking();
  let consent = doNotTrack ? "Do Not Track" : settings.consent || "granted";
  const place = (WITH_EXTRAS && context.location && { ...context.location.data }) as
    Json | undefined;
  const granted = (): boolean => consent == "granted";

  let answered!: (answer: Answer | null) => void;
  const answers: (Answer | null)[] = [];
  const ready = new Promise<Answer | null>((resolve) => (answered = resolve));
  const wire = (key: string, call: TrackCall): string => eventJson(key, call, context.page);
  const queue = createQueue(queueKey(source), (key, call) => [
    sessionId(),
    wire(key, JSON.parse(call)),
  ]);
  const {
    flush_: flush,
    schedule_,
    leave_,
    resume_,
  } = createTransport(
    queue,
    config,
    () => sessionContext(context, place),
    granted,
    (answer) => {
      if (WITH_UX && settings.allowUx) answers.push(answer);
      answered(answer);
    },
  );
  const refusal = { stored: false, reason: "disabled_source" } as const;

  const accept = ([key_, text, done_]: LoaderCall): void => {
    if (!granted() && consent != "pending")
      return done_({ ...refusal, id: eventId(key_), detail: consent });
    const call = JSON.parse(text) as TrackCall;
    queue.add_({ key_, json_: wire(key_, call), session_: sessionId(), done_ });
    if (call[5]?.fire || call[5]?.asBeacon) void flush();
    else if (document.readyState == "complete") schedule_(settings.flushInterval ?? 1e3);
  };

  const calls = tracker.calls || [];
  let count = calls.length;

  /** Settles with the verdict and the answer it came with. Never rejects. */
  const call = (referrer: string, ...given: unknown[]): Promise<[TrackResult, Response?]> => {
    const key = callKey(count++);
    return new Promise<[TrackResult, Response?]>((done) => {
      accept([
        key,
        JSON.stringify([document.URL, document.title, referrer, ...given]),
        (...settled) => done(settled as [TrackResult, Response]),
      ]);
    }).catch((error) => {
      // Circular structures and BigInt: the page must not break, and its owner must hear of it.
      console.error("[ThamesThrive]", error);
      return [{ stored: false, id: eventId(key), reason: "invalid", detail: "" + error }];
    });
  };
  const track = (...given: unknown[]): Promise<TrackResult> =>
    call(document.referrer, ...given).then(([result]) => result);

  let begun = false;
  /** Now that it is known whether anything may be stored and sent. */
  const begin = (): void => {
    if (granted()) {
      queue.recover_(0);
      if (document.readyState == "complete") void flush();
      if (
        !begun &&
        ((WITH_TRIGGERS && auto.triggers) ||
          (WITH_LINKS && settings.trackExternalLinks) ||
          (WITH_UX && settings.allowUx) ||
          (WITH_EXTRAS && place))
      )
        load({ tracker: tracker as Tracker, config, answers, place: place! });
      begun = true;
    }
  };
  const mayStore = (allowed: boolean): void => {
    storage.off_ = !allowed || settings.persistence == "memory";
  };

  mayStore(granted());
  Object.defineProperties(tracker, {
    profileId: { get: profileId },
    sessionId: { get: sessionId },
  });
  Object.assign(tracker, {
    track,
    flush,
    ready,
    reset: forgetVisitor,
    consent(decision: "granted" | "denied") {
      if (!WITH_CONSENT || doNotTrack || decision == consent) return;
      consent = decision;
      mayStore(true);
      if (granted()) {
        queue.keep_((newVisit(), sessionId()));
        begin();
      } else {
        // What an earlier consent has left goes as well.
        queue.entries_.forEach((entry) => queue.settle_(entry, { ...refusal, detail: consent }));
        forgetVisitor();
        keys(QUEUE).map(forget);
        mayStore(false);
      }
    },
  });

  const helpers: Helpers = {
    track: (...given) =>
      call(document.referrer, ...given).then(
        ([, response]) => response || { status: 0, data: null },
      ),
    addListener,
    onClick: (target, listener) => addListener(target, "click", listener),
  };

  calls.map(accept);
  Object.defineProperty(calls, "push", { value: accept });
  if (!doNotTrack) {
    for (const event of auto.events || []) void track(...event);
    if (WITH_VIEWS) watchViews(settings.pageViews, (referrer) => call(referrer, "page-view"));
    begin();
    // When the page has loaded, or is back from the cache.
    addEventListener("pageshow", flush);
    addEventListener("online", resume_);
    addEventListener("pagehide", leave_);
    // A hidden page may never be seen again.
    addEventListener("visibilitychange", () => document.hidden && leave_());
    // As in a callback of `ready`: what they throw is reported, and stops nothing.
    const later = Promise.resolve({ tracker: tracker as Tracker, config });
    void later.then(listeners.onInit);
    if (!navigator.cookieEnabled) void later.then(listeners.onCookiesDisabled);
  }
  // Each callback in a job of its own: one that throws stops no other, and the browser reports it.
  return (callback) =>
    void ready.then((answer) =>
      callback({ tracker: tracker as Tracker, helpers, context: answer, config }),
    );
};
