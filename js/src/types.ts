/** What `window.tracker.track` resolves to. It never rejects. */
export type TrackResult =
  | { stored: true; id: string; duplicate?: boolean }
  | { stored: false; id: string; reason: string; detail?: string };

export type Json = Record<string, unknown>;

/**
 * Event types and their properties. Declare yours, and `track` checks them:
 *
 *     declare global { interface ThamesThriveEvents { "sign-up": { plan: string } } }
 */
declare global {
  // eslint-disable-next-line
  interface ThamesThriveEvents {}
}

export interface TrackOptions {
  /** Sent now. Whatever waits goes with it, in order, in the same request. @default false */
  fire?: boolean;
  /** As `fire`, and the request survives leaving the page. @default false */
  asBeacon?: boolean;
  /** Merged over this event's context. */
  context?: Json;
  [more: string]: unknown;
}

/** A call of `track` and the page it was made on. */
export type TrackCall = [
  url: string,
  title: string,
  referrer: string,
  type: string,
  properties?: Json | null,
  options?: TrackOptions | null,
];

/** An answer as `helpers.track` gives it: `status` 0 and no data where there was none. */
export interface Response {
  status: number;
  data: Answer | null;
}

export type Settle = (result: TrackResult, response?: Response) => void;

/** What the loader queues until the bundle comes: the call's key, the call as JSON, what settles its promise. */
export type LoaderCall = [key: string, json: string, done: Settle];

/** Body of the collector's answer, as far as the tracker reads it. */
export interface Answer {
  events: string[];
  profile?: { id?: string } | null;
  session?: { id?: string } | null;
  errors?: Note[];
  warnings?: Note[];
  /** Elements for the page; injected only where `settings.allowUx` is true. */
  ux?: Widget[];
  response?: Json;
}

export interface Note {
  id: string;
  reason: string;
  detail?: string;
  duplicate?: boolean;
}

/** One entry of an answer's `ux`. */
export interface Widget {
  tag: string;
  props?: Record<string, string>;
  content?: string;
}

export interface Trigger {
  /** Of elements with this word in their `data-thamesthrive-tag`. */
  tag: string;
  trigger: "onVisible" | "onClick" | "onMouseOver" | "onTextSelect" | "onSubmit";
  data: { event: string; properties?: Json; options?: TrackOptions };
}

export interface Settings {
  /** With Do Not Track or Global Privacy Control on, nothing is loaded, stored or sent. @default false */
  respectDoNotTrack?: boolean;
  /** Hosts whose links carry the visitor's profile over: `"example.com"` that host alone, `".example.com"` it and all below. @default [] */
  trackExternalLinks?: string[];
  /** `"load"`: a page-view by itself. `"spa"`: one more for each address that the page takes on. @default "off" */
  pageViews?: "off" | "load" | "spa";
  /** Milliseconds that an event waits for company after the page has loaded. @default 1000 */
  flushInterval?: number;
  /** `"memory"`: no cookie, nothing stored, an identity for this page only. @default "localStorage" */
  persistence?: "localStorage" | "memory";
  /** `"pending"`: events wait in memory, nothing is stored or sent, until `tracker.consent(…)` decides. @default "granted" */
  consent?: "granted" | "pending" | "denied";
  /** The console explains each step. @default false */
  debug?: boolean;
  /** Elements that the collector answers with (`ux`: tag, props, content) are put at the end of the page. @default false */
  allowUx?: boolean;
}

/** `options.tracker` of the snippet. */
export interface TrackerOptions {
  url?: {
    /** Where the bundle comes from: `tracker.min.js` below this address. The classic snippet needs it. */
    script?: string;
    /** Where events go. @default the origin of `url.script` */
    api?: string;
  };
  source?: {
    /** The event source. Every page needs it. */
    id?: string;
  };
  context?: {
    /** Address, path, title and referrer, in each event's context. @default true */
    page?: boolean;
    /** Language, platform, time zone and user agent, in the session's context. @default true */
    browser?: boolean;
    /** Sizes and pixel ratio, in the session's context. @default true */
    screen?: boolean;
    /** The `utm_*` parameters of the address, in the session's context. @default true */
    utm?: boolean;
    /** `__tt_pid` and `__tt_src` of the address, by which another site of yours passes its visitor on. @default true */
    pass?: boolean;
    /** The page's timings. @default false */
    performance?: boolean;
    /** What the page keeps in localStorage and sessionStorage: 50 keys each, 200 characters of each value; not what is the tracker's. @default false */
    storage?: boolean;
    /** The page's cookies that scripts can read, within the same bounds. @default false */
    cookies?: boolean;
    /** What you know of where the visitor is, and an address of yours that answers it as JSON. */
    location?: { url?: string; data?: Json };
  };
  profile?: {
    /** A profile id of your own. Only sources that allow static profiles follow it. */
    id?: string;
  };
  settings?: Settings;
  auto?: {
    /** Events that are sent with the page's batch, whether or not the page tracks any itself. @default [] */
    events?: [type: string, properties?: Json][];
    /** Elements that track events by themselves. @default [] */
    triggers?: Trigger[];
  };
  listeners?: {
    /** Called when the tracker is there. */
    onInit?: (ready: { tracker: Tracker; config: TrackerOptions }) => void;
    /** Called where the browser takes no cookies. */
    onCookiesDisabled?: () => void;
  };
}

export interface Tracker {
  track<T extends string>(
    type: T,
    properties?: (T extends keyof ThamesThriveEvents ? ThamesThriveEvents[T] : Json) | null,
    options?: TrackOptions | null,
  ): Promise<TrackResult>;
  /** Sends what waits; settles when everything sent has its answer. */
  flush(): Promise<void>;
  /** The body of the first answer; null when the collector refused. */
  ready: Promise<Answer | null>;
  readonly profileId: string | null;
  readonly sessionId: string;
  /** What `settings.consent` began with, decided: `denied` forgets the visitor here and everything that waits. */
  consent(decision: "granted" | "denied"): void;
  /** The visitor is somebody else from now on: a new session, profile and device. */
  reset(): void;
}

type Target = string | EventTarget | Iterable<EventTarget>;

export interface Helpers {
  track(type: string, properties?: Json | null, options?: TrackOptions | null): Promise<Response>;
  /** Returns what unbinds. */
  onClick(target: Target, listener: (event: Event) => void): () => void;
  /** `names`: of events, with blanks between. Returns what unbinds. */
  addListener(
    target: Target,
    names: string,
    listener: (event: Event) => void,
    options?: AddEventListenerOptions,
  ): () => void;
}

export type ReadyCallback = (ready: {
  tracker: Tracker;
  helpers: Helpers;
  context: Answer | null;
  config: TrackerOptions;
}) => void;

/** Callbacks bound before the bundle came. */
export type ReadyQueue = ReadyCallback[] & { bind(callback: ReadyCallback): unknown };

export interface TrackerWindow {
  tracker?: Partial<Tracker> & { calls?: LoaderCall[] };
  onThamesThriveReady?: { bind(callback: ReadyCallback): unknown };
}
