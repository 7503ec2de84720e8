/** What the collector answers below `/qa`, as far as the kit reads it. Times are ISO texts. */
export type Json = Record<string, unknown>;

export interface StoredEvent {
  /** Grows with each stored event. */
  seq: number;
  id: string;
  type: string;
  source_id: string;
  session_id: string | null;
  profile_id: string | null;
  properties: Json;
  context: Json;
  occurred_at: string;
  received_at: string;
  run?: string | null;
}

export interface RejectedEvent {
  /** A word of the reference of reasons, "invalid" for one. */
  reason: string;
  detail: string | null;
  /** Where in the event, "/properties/price" for one. */
  pointer: string | null;
  type: string | null;
  payload: unknown;
  source_id: string | null;
  received_at: string;
}

/** A request of the run, whatever became of it. */
export interface JournalRequest {
  request_id: string;
  received_at: string;
  method: string;
  route: string;
  origin: string | null;
  source_id: string | null;
  status: number;
  reason: string | null;
  events: { id: string | null; type: string | null; verdict: string; detail?: string | null }[];
}

/** What an event must have to be the expected one. */
export interface Expectation {
  type: string;
  /** What its properties must contain; other properties don't matter. */
  properties?: Json | undefined;
  /** What its context must contain. */
  context?: Json | undefined;
  /** Exactly how many there must be. Without it, one or more. */
  times?: number | undefined;
}

/** What the collector has of a run. */
export interface RunFacts {
  events: StoredEvent[];
  rejected: RejectedEvent[];
  requests: JournalRequest[];
  /** Events of the same visit that were stored without this run. */
  elsewhere: StoredEvent[];
}

/** A call of `track` as the page made it, and what it resolved to. */
export interface TrackedCall {
  type: string;
  properties: unknown;
  result?: { stored: boolean; reason?: string; detail?: string };
}

/** A request with events as the browser made it. */
export interface SentRequest {
  url: string;
  types: string[];
  status?: number;
  /** The browser's own word, "net::ERR_BLOCKED_BY_CLIENT" for one. */
  failure?: string;
}

/** A page as it is when somebody looks. */
export interface PageState {
  url: string;
  /** No snippet at all; a snippet whose bundle hasn't come; a tracker. */
  tracker: "missing" | "waiting" | "loaded";
  /** `settings.consent` of the snippet. */
  consent?: string | undefined;
  /** Do Not Track or Global Privacy Control is on, and the snippet respects it. */
  doNotTrack: boolean;
}

/** What was seen in the browser. */
export interface BrowserFacts {
  pages: PageState[];
  calls: TrackedCall[];
  sent: SentRequest[];
  /** What a policy or an extension has stopped, or a server doesn't have. */
  blocked: { url: string; why: string }[];
  /** Errors in the console. */
  console: string[];
}
