/** One tracker: what `window.tracker` is, and what `createTracker` of the module returns. */
import { sessionContext } from "./context";
import { type Call, createHelpers, type Outcome } from "./helpers";
import { forgetVisitor, profileId } from "./identity";
import { callKey, eventId, timeOf } from "./ids";
import type { PageFeatures } from "./page-features";
import { refusesTracking } from "./privacy";
import { createQueue, type Queue } from "./queue";
import { renewSession, sessionId } from "./session-cookie";
import { forget, keys, switchOff } from "./storage";
import { QUEUE_KEY, queuePrefix } from "./storage-keys";
import { createTransport } from "./transport";
import type {
  Answer,
  Json,
  LoaderCall,
  ReadyCallback,
  TrackCall,
  Tracker,
  TrackerOptions,
  TrackResult,
} from "./types";

/** What a page has as its tracker before there is one: the calls that a loader has queued. */
export type TrackerStub = Partial<Tracker> & { calls?: LoaderCall[] };

const REFUSAL = { stored: false, reason: "disabled_source" } as const;

/** The JSON of an event as it is sent: what was tracked, when, and on which page. */
const eventJson = (key: string, call: TrackCall, withPage: boolean | undefined): string => {
  const [url, title, referrer, type, properties, given] = call;
  const { context, ...options } = given || {};
  const page = { url, path: new URL(url).pathname, title, referrer };
  return JSON.stringify({
    id: eventId(key),
    type,
    time: { create: new Date(Math.min(timeOf(key), Date.now())) },
    properties,
    context: { page: withPage == false ? undefined : page, ...context },
    options,
  });
};

/** Makes calls as a loader does. */
const createCall =
  (accept: (call: LoaderCall) => void): Call =>
  (referrer, ...given) => {
    const key = callKey();
    return new Promise<Outcome>((resolve) =>
      accept([
        key,
        JSON.stringify([document.URL, document.title, referrer, ...given]),
        (...outcome) => resolve(outcome),
      ]),
    ).catch((error) => {
      // Circular structures and BigInt: the page must not break, and its owner must hear of it.
      console.error("[ThamesThrive]", error);
      return [{ stored: false, id: eventId(key), reason: "invalid", detail: "" + error }];
    });
  };

/** Forgets the visitor and all that waits, also what an earlier consent has left in storage. */
const forgetAll = (queue: Queue, detail: string): void => {
  queue.entries_.forEach((entry) => queue.settle_(entry, { ...REFUSAL, detail }));
  forgetVisitor();
  keys(QUEUE_KEY).forEach(forget);
};

/**
 * Decides whether calls become events, and connects queue and transport. `start` sends the events
 * of earlier pages, once consent is granted; `decide` is `tracker.consent`. They are returned as a
 * tuple, because the names of properties cost bytes.
 */
const createCore = (
  config: TrackerOptions,
  doNotTrack: unknown,
  answers: (Answer | null)[],
  visitorLocation: Json | undefined,
) => {
  const { settings = {}, context = {} } = config;
  let consent = doNotTrack ? "Do Not Track" : settings.consent || "granted";
  let resolveReady!: (answer: Answer | null) => void;
  const ready = new Promise<Answer | null>((resolve) => {
    resolveReady = resolve;
  });
  const granted = (): boolean => consent == "granted";
  const allowStorage = (allowed: boolean): void => {
    switchOff(!allowed || settings.persistence == "memory");
  };
  allowStorage(granted());

  const queue = createQueue(queuePrefix(config.source!.id!.trim()), (key, call) =>
    eventJson(key, call, context.page),
  );
  const [flush, schedule, followPage] = createTransport(
    queue,
    config,
    () => sessionContext(context, visitorLocation),
    granted,
    (answer) => {
      if (WITH_UX && settings.allowUx) answers.push(answer);
      resolveReady(answer);
    },
  );

  const accept = ([key, json, done]: LoaderCall): void => {
    if (!granted() && consent != "pending") {
      return done({ ...REFUSAL, id: eventId(key), detail: consent });
    }
    const call = JSON.parse(json) as TrackCall;
    const options = call[5];
    queue.add_(key, call, done);
    if (options?.fire || options?.asBeacon) void flush();
    // Until then events gather for the one request that "pageshow" sends.
    else if (document.readyState == "complete") {
      schedule(settings.flushInterval ?? 1e3);
    }
  };
  const start = (): void => {
    if (!granted()) return;
    queue.recover_(0);
    if (document.readyState == "complete") void flush();
  };
  const decide = (decision: "granted" | "denied"): void => {
    if (!WITH_CONSENT || doNotTrack || decision == consent) return;
    consent = decision;
    allowStorage(true);
    if (granted()) {
      renewSession();
      queue.store_(sessionId());
      start();
    } else {
      forgetAll(queue, consent);
      allowStorage(false);
    }
  };
  return [start, accept, decide, ready, flush, followPage] as const;
};

/**
 * Makes `tracker` a tracker. `loadPageFeatures` starts page-features.ts, if the options ask for it.
 * Returns what binds callbacks to the first response.
 */
export const startTracker = (
  config: TrackerOptions,
  stub: TrackerStub,
  loadPageFeatures: (features: PageFeatures) => void,
): ((callback: ReadyCallback) => void) => {
  const { settings = {}, auto = {}, context = {}, listeners = {} } = config;
  const visitorLocation = (WITH_EXTRAS && context.location && { ...context.location.data }) as
    Json | undefined;
  const answers: (Answer | null)[] = [];
  const tracker = stub as Tracker;
  const doNotTrack = settings.respectDoNotTrack && refusesTracking();
  const core = createCore(config, doNotTrack, answers, visitorLocation);
  const [start, accept, consent, ready, flush, followPage] = core;
  const calls = stub.calls || [];
  const call = createCall(accept);
  const helpers = createHelpers(call);
  const track = (...given: unknown[]): Promise<TrackResult> =>
    call(document.referrer, ...given).then(([result]) => result);

  Object.defineProperties(tracker, {
    profileId: { get: profileId },
    sessionId: { get: sessionId },
  });
  Object.assign(tracker, { track, flush, ready, reset: forgetVisitor, consent });
  calls.forEach(accept);
  // For pages that have kept the loader's `track`. An assignment would fail where the page has
  // frozen Array.prototype.
  Object.defineProperty(calls, "push", { value: accept });

  if (!doNotTrack) {
    for (const event of auto.events || []) void track(...event);
    const view = (referrer: string): void => void call(referrer, "page-view");
    if (WITH_VIEWS && /load|spa/.test(settings.pageViews!)) view(document.referrer);
    start();
    followPage();
    if (
      (WITH_TRIGGERS && auto.triggers) ||
      (WITH_LINKS && settings.trackExternalLinks) ||
      (WITH_UX && settings.allowUx) ||
      (WITH_VIEWS && settings.pageViews == "spa") ||
      visitorLocation
    ) {
      loadPageFeatures({ tracker, config, answers, visitorLocation, view, url: document.URL });
    }
    // In jobs of their own: what they throw is reported by the browser, and stops nothing.
    const started = Promise.resolve({ tracker, config });
    void started.then(listeners.onInit);
    if (!navigator.cookieEnabled) void started.then(listeners.onCookiesDisabled);
  }
  // Likewise, one callback that throws does not stop the others.
  return (callback) =>
    void ready.then((context) => callback({ tracker, helpers, context, config }));
};
