/** What `window.tracker.track` resolves to. It never rejects. */
export type TrackResult =
  | { stored: true; id: string; duplicate?: boolean }
  | { stored: false; id: string; reason: string; detail?: string };

export type Json = Record<string, unknown>;

export interface TrackOptions {
  /** Send now, with everything that is waiting, in one request. */
  fire?: boolean;
  /** `fire`, and the request must survive leaving the page. */
  asBeacon?: boolean;
  /** Merged over this event's context. */
  context?: Json;
}

/** A call of `track` and the page it was made on. */
export type TrackCall = [
  url: string,
  title: string,
  referrer: string,
  ...given: Parameters<Tracker["track"]>,
];

/** What the loader queues until the bundle comes: the call's key, the call as JSON, what settles its promise. */
export type LoaderCall = [key: string, json: string, done: (result: TrackResult) => void];

/** Body of the collector's answer, as far as the tracker reads it. */
export interface Answer {
  events: string[];
  profile?: { id?: string } | null;
  errors?: Note[];
  warnings?: Note[];
}

export interface Note {
  id: string;
  reason: string;
  detail?: string;
}

/** `options.tracker` of the snippet. */
export interface TrackerOptions {
  url?: { script?: string; api?: string };
  source?: { id?: string };
  context?: Json;
  profile?: { id?: string };
  settings?: {
    respectDoNotTrack?: boolean;
    flushInterval?: number;
    persistence?: "localStorage" | "memory";
  };
}

export interface Tracker {
  track(type: string, properties?: Json | null, options?: TrackOptions | null): Promise<TrackResult>;
  /** Sends what waits; settles when everything sent has its answer. */
  flush(): Promise<void>;
  /** The body of the first answer; null when the collector refused. */
  ready: Promise<Answer | null>;
  readonly profileId: string | null;
  readonly sessionId: string;
}

export type ReadyCallback = (ready: { tracker: Tracker; context: Answer | null; config: TrackerOptions }) => void;

/** Callbacks bound before the bundle came. */
export type ReadyQueue = ReadyCallback[] & { bind(callback: ReadyCallback): unknown };

export interface TrackerWindow {
  tracker?: Partial<Tracker> & { calls?: LoaderCall[] };
  onThamesThriveReady?: { bind(callback: ReadyCallback): unknown };
}
