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
  /** Send now, with everything that is waiting, in one request. */
  fire?: boolean;
  /** `fire`, and the request must survive leaving the page. */
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
  respectDoNotTrack?: boolean;
  /** Hosts, exact or `.with-a-dot` for all below, whose links carry the visitor's profile over. */
  trackExternalLinks?: string[];
  pageViews?: "off" | "load" | "spa";
  /** Milliseconds. */
  flushInterval?: number;
  persistence?: "localStorage" | "memory";
  consent?: "granted" | "pending" | "denied";
  debug?: boolean;
  allowUx?: boolean;
}

/** `options.tracker` of the snippet. */
export interface TrackerOptions {
  url?: { script?: string; api?: string };
  source?: { id?: string };
  context?: {
    page?: boolean;
    browser?: boolean;
    screen?: boolean;
    utm?: boolean;
    pass?: boolean;
    performance?: boolean;
    storage?: boolean;
    cookies?: boolean;
    location?: { url?: string; data?: Json };
  };
  profile?: { id?: string };
  settings?: Settings;
  auto?: { events?: [type: string, properties?: Json][]; triggers?: Trigger[] };
  listeners?: { onInit?: (ready: { tracker: Tracker; config: TrackerOptions }) => void; onCookiesDisabled?: () => void };
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
  addListener(target: Target, names: string, listener: (event: Event) => void, options?: AddEventListenerOptions): () => void;
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
