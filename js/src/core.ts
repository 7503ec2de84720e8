/** One tracker: what `window.tracker` is, and what `createTracker` of the module returns. */
import { sessionContext } from "./context";
import { type Call, createHelpers, type Outcome } from "./helpers";
import { forgetVisitor, profileId } from "./identity";
import { callKey, eventId, timeOf } from "./ids";
import type { PageFeatures } from "./page-features";
import { watchPageViews } from "./page-views";
import { refusesTracking } from "./privacy";
import { createQueue, type Queue } from "./queue";
import { renewSession, sessionId } from "./session-cookie";
import { forget, keys, storage } from "./storage";
import { QUEUE_KEY, queuePrefix } from "./storage-keys";
import { createTransport, type Transport } from "./transport";
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
    time: { create: new Date(timeOf(key)) },
    properties,
    context: { page: withPage == false ? undefined : page, ...context },
    options,
  });
};

/** Makes calls as a loader does. `count`: how many the loader has made. */
const createCall =
  (count: number, accept: (call: LoaderCall) => void): Call =>
  (referrer, ...given) => {
    const key = callKey(count++);
    return new Promise<Outcome>((resolve) => {
      const json = JSON.stringify([document.URL, document.title, referrer, ...given]);
      accept([key, json, (...outcome) => resolve(outcome)]);
    }).catch((error) => {
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

interface Core {
  accept_(call: LoaderCall): void;
  /** Sends what earlier pages have left and loads page-features.ts, once consent is granted. */
  start_(): void;
  /** `tracker.consent`. */
  decide_(decision: "granted" | "denied"): void;
  ready_: Promise<Answer | null>;
  transport_: Transport;
}

/** Decides whether calls become events, and connects queue and transport. */
const createCore = (
  config: TrackerOptions,
  doNotTrack: unknown,
  tracker: Tracker,
  loadPageFeatures: (features: PageFeatures) => void,
): Core => {
  const { settings = {}, context = {} } = config;
  let consent = doNotTrack ? "Do Not Track" : settings.consent || "granted";
  let started = false;
  const visitorLocation = (WITH_EXTRAS && context.location && { ...context.location.data }) as
    Json | undefined;
  const answers: (Answer | null)[] = [];
  let resolveReady!: (answer: Answer | null) => void;
  const ready_ = new Promise<Answer | null>((resolve) => {
    resolveReady = resolve;
  });
  const granted_ = (): boolean => consent == "granted";
  const allowStorage = (allowed: boolean): void => {
    storage.off_ = !allowed || settings.persistence == "memory";
  };
  allowStorage(granted_());

  const queue_ = createQueue(queuePrefix(config.source!.id!.trim()), (key, call) =>
    eventJson(key, call, context.page),
  );
  const transport_ = createTransport(
    queue_,
    config,
    () => sessionContext(context, visitorLocation),
    granted_,
    (answer) => {
      if (WITH_UX && settings.allowUx) answers.push(answer);
      resolveReady(answer);
    },
  );

  const usesPageFeatures =
    (WITH_TRIGGERS && config.auto?.triggers) ||
    (WITH_LINKS && settings.trackExternalLinks) ||
    (WITH_UX && settings.allowUx) ||
    visitorLocation;
  const start_ = (): void => {
    if (!granted_()) return;
    queue_.recover_(0);
    if (document.readyState == "complete") void transport_.flush_();
    if (!started && usesPageFeatures) {
      loadPageFeatures({ tracker, config, answers, visitorLocation });
    }
    started = true;
  };
  return {
    ready_,
    transport_,
    start_,
    accept_([key, json, done]) {
      if (!granted_() && consent != "pending") {
        return done({ ...REFUSAL, id: eventId(key), detail: consent });
      }
      const call = JSON.parse(json) as TrackCall;
      const options = call[5];
      queue_.add_(key, call, done);
      if (options?.fire || options?.asBeacon) void transport_.flush_();
      // Until then events gather for the one request that "pageshow" sends.
      else if (document.readyState == "complete") {
        transport_.schedule_(settings.flushInterval ?? 1e3);
      }
    },
    decide_(decision) {
      if (!WITH_CONSENT || doNotTrack || decision == consent) return;
      consent = decision;
      allowStorage(true);
      if (granted_()) {
        renewSession();
        queue_.store_(sessionId());
        start_();
      } else {
        forgetAll(queue_, consent);
        allowStorage(false);
      }
    },
  };
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
  const { settings = {}, auto = {}, listeners = {} } = config;
  const tracker = stub as Tracker;
  const doNotTrack = settings.respectDoNotTrack && refusesTracking();
  const core = createCore(config, doNotTrack, tracker, loadPageFeatures);
  const { accept_, ready_, transport_ } = core;
  const calls = stub.calls || [];
  const call = createCall(calls.length, accept_);
  const helpers = createHelpers(call);
  const track = (...given: unknown[]): Promise<TrackResult> =>
    call(document.referrer, ...given).then(([result]) => result);

  Object.defineProperties(tracker, {
    profileId: { get: profileId },
    sessionId: { get: sessionId },
  });
  Object.assign(tracker, {
    track,
    flush: transport_.flush_,
    ready: ready_,
    reset: forgetVisitor,
    consent: core.decide_,
  });
  calls.forEach(accept_);
  // For pages that have kept the loader's `track`. An assignment would fail where the page has
  // frozen Array.prototype.
  Object.defineProperty(calls, "push", { value: accept_ });

  if (!doNotTrack) {
    for (const event of auto.events || []) void track(...event);
    if (WITH_VIEWS) watchPageViews(settings.pageViews, (referrer) => call(referrer, "page-view"));
    core.start_();
    transport_.followPage_();
    // In jobs of their own: what they throw is reported by the browser, and stops nothing.
    const started = Promise.resolve({ tracker, config });
    void started.then(listeners.onInit);
    if (!navigator.cookieEnabled) void started.then(listeners.onCookiesDisabled);
  }
  // Likewise, one callback that throws does not stop the others.
  return (callback) =>
    void ready_.then((context) => callback({ tracker, helpers, context, config }));
};
