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
  /** Sends the event now, with whatever waits, in order, in one request. @default false */
  fire?: boolean;
  /** Like `fire`, and the request survives leaving the page. @default false */
  asBeacon?: boolean;
  /** Merged over this event's context. */
  context?: Json;
  [more: string]: unknown;
}

/** A call of `track`, and the page it was made on. */
export type TrackCall = [
  url: string,
  title: string,
  referrer: string,
  type: string,
  properties?: Json | null,
  options?: TrackOptions | null,
];

/** A response as `helpers.track` returns it; without one, `status` is 0 and `data` is null. */
export interface Response {
  status: number;
  data: Answer | null;
}

export type Settle = (result: TrackResult, response?: Response) => void;

/**
 * What the loader queues until the bundle is there: the call's key, page and arguments as JSON,
 * what settles its promise, and which method of the tracker it is for.
 */
export type LoaderCall = [key: string, json: string, done: Settle, name?: QueuedMethod];

/** What pages call before the bundle is there. */
export type QueuedMethod = "consent" | "flush" | "reset" | "track";

/** What a page may push into `window.tracker`, before and after the tracker is there. */
export type PushedCall = Parameters<Tracker["track"]>;

/** An array of calls that becomes a tracker. Has methods if a loader has made it. */
export type TrackerStub = (LoaderCall | PushedCall)[] & {
  [name in QueuedMethod]?: unknown;
} & { ready?: Tracker["ready"] } & Record<string, unknown>;

/** What addresses of scripts need under Trusted Types. */
export interface ScriptPolicy {
  createScriptURL(url: string): string;
}

/** The script element of the bundle, with what the loader gives it. */
export type BundleScript = HTMLScriptElement & {
  given?: [config: TrackerOptions, stub: TrackerStub, policy: ScriptPolicy];
};

/** The body of a response, as far as the tracker reads it. */
export interface Answer {
  events: string[];
  profile?: { id?: string } | null;
  session?: { id?: string } | null;
  errors?: Note[];
  /** How many more events were refused than `errors` lists, by reason. */
  unlisted?: Record<string, number>;
  warnings?: Note[];
  /** Elements for the page, only injected where `settings.allowUx` is true. */
  ux?: Widget[];
  response?: Json;
}

export interface Note {
  id: string;
  reason: string;
  detail?: string;
  duplicate?: boolean;
}

/** An element in `ux` of a response. */
export interface Widget {
  tag: string;
  props?: Record<string, string>;
  content?: string;
}

export interface Trigger {
  /** A word in the `data-thamesthrive-tag` of the elements. */
  tag: string;
  trigger: "onVisible" | "onClick" | "onMouseOver" | "onTextSelect" | "onSubmit";
  data: { event: string; properties?: Json; options?: TrackOptions };
}

export interface Settings {
  /**
   * With Do Not Track or Global Privacy Control on, loads, stores and sends nothing.
   * @default false
   */
  respectDoNotTrack?: boolean;
  /**
   * Hosts whose links carry the visitor's profile over: `"example.com"` is that host alone,
   * `".example.com"` includes its subdomains.
   * @default []
   */
  trackExternalLinks?: string[];
  /**
   * `"load"` tracks a page-view when the page is opened, `"spa"` also for each address that the
   * page takes on.
   * @default "off"
   */
  pageViews?: "off" | "load" | "spa";
  /**
   * Milliseconds for which events are batched once the page has loaded, at most 30,000.
   * @default 1000
   */
  flushInterval?: number;
  /**
   * `"memory"` sets no cookie and stores nothing; the identity is this page's only.
   * @default "localStorage"
   */
  persistence?: "localStorage" | "memory";
  /**
   * `"pending"` keeps events in memory, and stores and sends nothing, until `tracker.consent(…)`
   * decides.
   * @default "granted"
   */
  consent?: "granted" | "pending" | "denied";
  /** Explains each step in the console. @default false */
  debug?: boolean;
  /**
   * Appends the elements that the collector sends (`ux`: tag, props, content) to the page.
   * @default false
   */
  allowUx?: boolean;
}

/** `options.tracker` of the snippet. */
export interface TrackerOptions {
  url?: {
    /** The address below which `tracker.min.js` is. The classic snippet needs it. */
    script?: string;
    /** The collector that events go to. @default what `url.script` stands under */
    api?: string;
  };
  source?: {
    /** The event source. Every page needs one. */
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
    /**
     * `__tt_pid` and `__tt_src` of the address, with which another site of yours passes its
     * visitor on.
     * @default true
     */
    pass?: boolean;
    /** The page's timings. @default false */
    performance?: boolean;
    /**
     * What the page keeps in localStorage and sessionStorage: 50 keys each, 200 characters of each
     * value, without the tracker's own.
     * @default false
     */
    storage?: boolean;
    /** The cookies that scripts can read, within the same bounds. @default false */
    cookies?: boolean;
    /** What you know of the visitor's location, and an address of yours that returns it as JSON. */
    location?: { url?: string; data?: Json };
  };
  profile?: {
    /** A profile id of your own. Only sources that allow static profiles follow it. */
    id?: string;
  };
  settings?: Settings;
  /** The run of tests that events belong to: a collector with `--qa` tells them apart by it. */
  qa?: { run?: string };
  auto?: {
    /**
     * Events sent with the page's batch, whether or not the page tracks any itself.
     * @default []
     */
    events?: [type: string, properties?: Json][];
    /** Elements that track events on their own. @default [] */
    triggers?: Trigger[];
  };
  listeners?: {
    /** Called when the tracker has started. */
    onInit?: (ready: { tracker: Tracker; config: TrackerOptions }) => void;
    /** Called when the browser refuses cookies. */
    onCookiesDisabled?: () => void;
  };
}

export interface Tracker {
  track<T extends string>(
    type: T,
    properties?: (T extends keyof ThamesThriveEvents ? ThamesThriveEvents[T] : Json) | null,
    options?: TrackOptions | null,
  ): Promise<TrackResult>;
  /** Sends what waits. Resolves when every request has its response. */
  flush(): Promise<void>;
  /** The body of the first response; null when the collector refused, and when nothing waits. */
  ready: Promise<Answer | null>;
  readonly profileId: string | null;
  readonly sessionId: string;
  /** Decides what `settings.consent` left open; `denied` forgets the visitor and all that waits. */
  consent(decision: "granted" | "denied"): void;
  /** Starts a new session, profile and device: the visitor is another one from now on. */
  reset(): void;
  /** Tracks each of these calls: `push(["page-view", {}])`. */
  push(...calls: PushedCall[]): void;
}

type Target = string | EventTarget | Iterable<EventTarget>;

export interface Helpers {
  track(type: string, properties?: Json | null, options?: TrackOptions | null): Promise<Response>;
  /** Returns a function that unbinds. */
  onClick(target: Target, listener: (event: Event) => void): () => void;
  /** `names`: events, separated by blanks. Returns a function that unbinds. */
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

/** Callbacks bound before the bundle is there. */
export type ReadyQueue = ReadyCallback[] & { bind(callback: ReadyCallback): unknown };

export interface TrackerWindow {
  tracker?: TrackerStub;
  onThamesThriveReady?: { bind?(callback: ReadyCallback): unknown };
  trustedTypes?: { createPolicy(name: string, policy: ScriptPolicy): ScriptPolicy };
  /** As `qa` of the options, where a test sets it before the page's scripts. */
  __tt_qa?: TrackerOptions["qa"];
}
