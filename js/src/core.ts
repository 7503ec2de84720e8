/** One tracker: what `window.tracker` is, and what `createTracker` of the module returns. */
import { sessionContext } from "./context";
import { reportError } from "./console";
import { adoptFormerNames } from "./former-names";
import { type Call, createHelpers, type Outcome } from "./helpers";
import { forgetVisitor, profileId } from "./identity";
import { callKey, eventId, timeOf } from "./ids";
import type { Inbox, PageFeatures } from "./page-features";
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
  PushedCall,
  ReadyCallback,
  Settings,
  TrackCall,
  Tracker,
  TrackerOptions,
  TrackerStub,
  TrackResult,
} from "./types";

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
        JSON.stringify([location.href, document.title, referrer, ...given]),
        (...outcome) => resolve(outcome),
      ]),
    ).catch((error) => {
      // Circular structures and BigInt: the page must not break, and its owner must hear of it.
      reportError(error);
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
  tracker: Tracker,
  config: TrackerOptions,
  settings: Settings,
  context: NonNullable<TrackerOptions["context"]>,
  doNotTrack: unknown,
  inbox: Inbox,
  visitorLocation: Json | undefined,
) => {
  let consent = doNotTrack ? "denied" : settings.consent || "granted";
  let resolveReady!: (answer: Answer | null) => void;
  const ready = new Promise<Answer | null>((resolve) => {
    resolveReady = resolve;
  });
  const granted = (): boolean => consent == "granted";
  const allowStorage = (allowed: boolean): void => {
    switchOff(!allowed || settings.persistence == "memory");
  };
  allowStorage(granted());
  if (FORMER) adoptFormerNames(config.source!.id!);

  const queue = createQueue(queuePrefix(config.source!.id!), (key, call) =>
    eventJson(key, call, context.page),
  );
  const [flush, schedule] = createTransport(
    queue,
    config,
    () => sessionContext(context, visitorLocation),
    granted,
    (answer) => {
      if (WITH_UX && settings.allowUx) inbox.push(answer);
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
    if (granted()) {
      queue.recover_(0);
      if (document.readyState == "complete") void flush();
    } else resolveReady(null);
  };
  const decide = (decision: "granted" | "denied"): void => {
    if (!WITH_CONSENT || doNotTrack || decision == consent) return;
    consent = decision;
    allowStorage(true);
    if (FORMER) adoptFormerNames(config.source!.id!);
    if (granted()) {
      renewSession();
      queue.store_(sessionId());
      start();
    } else {
      forgetAll(queue, consent);
      allowStorage(false);
    }
  };
  Object.assign(tracker, { flush, ready, reset: forgetVisitor, consent: decide });
  return [accept, start] as const;
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
  const inbox: Inbox = [];
  const tracker = stub as unknown as Tracker;
  const doNotTrack = settings.respectDoNotTrack && refusesTracking();
  const core = createCore(tracker, config, settings, context, doNotTrack, inbox, visitorLocation);
  const [accept, start] = core;
  const call = createCall(accept);
  const helpers = createHelpers(call);
  const track = (...given: unknown[]): Promise<TrackResult> =>
    call(document.referrer, ...given).then(([result]) => result);

  /** Does what a loader or the page itself has queued. */
  const replay = (queued: LoaderCall | PushedCall): void => {
    const [, json, done, name] = queued as LoaderCall;
    if (!done?.call) void track(...queued);
    else if (name == "track") accept(queued as LoaderCall);
    else done((tracker[name!] as Function)(...JSON.parse(json).slice(3)));
  };
  tracker.track = track;
  stub.forEach(replay);
  // `push` also for pages that have kept the loader's `track`. An assignment would fail where the
  // page has frozen Array.prototype.
  Object.defineProperties(tracker, {
    profileId: { get: profileId },
    sessionId: { get: sessionId },
    push: { value: (...queued: PushedCall[]) => queued.forEach(replay) },
  });

  if (!doNotTrack) {
    auto.events?.forEach(replay);
    const view = (referrer: string): void => void call(referrer, "page-view");
    if (WITH_VIEWS && /load|spa/.test(settings.pageViews!)) view(document.referrer);
    if (
      (WITH_TRIGGERS && auto.triggers) ||
      (WITH_LINKS && settings.trackExternalLinks) ||
      (WITH_UX && settings.allowUx) ||
      (WITH_VIEWS && settings.pageViews == "spa") ||
      visitorLocation
    ) {
      loadPageFeatures([tracker, config, inbox, visitorLocation, view, location.href]);
      // Those that come before the file does count as well.
      if (WITH_TRIGGERS && auto.triggers) {
        addEventListener("click", (event) => inbox.push(event.composedPath()), true);
      }
    }
    // In jobs of their own: what they throw is reported by the browser, and stops nothing.
    const started = Promise.resolve({ tracker, config });
    void started.then(listeners.onInit);
    if (!navigator.cookieEnabled) void started.then(listeners.onCookiesDisabled);
  }
  start();
  // Likewise, one callback that throws does not stop the others.
  return (callback) =>
    void tracker.ready.then((context) => callback({ tracker, helpers, context, config }));
};
