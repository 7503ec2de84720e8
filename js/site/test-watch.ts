/**
 * On test pages, before and after the snippet: records what is tracked, sent and answered. It looks
 * from outside, as the browser's own tools do; the tracker does not know of it.
 */
import type { Answer, TrackResult } from "../src/types";

export interface Tracked {
  type: string;
  properties: unknown;
  result?: TrackResult;
}

export interface Sent {
  types: string[];
  ids: string[];
  bytes: number;
  /** 0 while there is no answer, -1 where there will be none. */
  status: number;
  answer: string;
  errors: { id?: string; reason: string; detail?: string }[];
}

export interface Watched {
  tracked: Tracked[];
  sent: Sent[];
  /** To be called once the snippet has run. */
  after(): void;
}

type Track = (type: string, properties?: unknown, options?: unknown) => Promise<TrackResult>;

const tracked: Tracked[] = [];
const sent: Sent[] = [];

const watch = (tracker: { track?: Track }): void => {
  let real = tracker.track;
  const seen: Track = (type, properties, options) => {
    const entry: Tracked = { type: String(type), properties: properties ?? {} };
    tracked.push(entry);
    const settled = real!(type, properties, options);
    void settled.then((result) => (entry.result = result));
    return settled;
  };
  // The bundle takes over from the loader by writing its own `track`.
  Object.defineProperty(tracker, "track", {
    configurable: true,
    enumerable: true,
    get: () => real && seen,
    set: (track: Track) => (real = track),
  });
};

const { fetch } = window;
window.fetch = (input, init) => {
  const body = init?.body;
  if (typeof body != "string" || !/\/track$/.test(String(input))) return fetch(input, init);
  const { events = [] } = JSON.parse(body) as { events?: { id: string; type: string }[] };
  const entry: Sent = {
    types: events.map(({ type }) => type),
    ids: events.map(({ id }) => id),
    bytes: body.length,
    status: 0,
    answer: "",
    errors: [],
  };
  sent.push(entry);
  const answer = fetch(input, init);
  answer.then(
    async (response) => {
      entry.answer = await response.clone().text();
      entry.status = response.status;
      try {
        const { errors = [], detail } = JSON.parse(entry.answer) as Partial<Answer> & {
          detail?: string;
        };
        entry.errors = detail
          ? [
              {
                reason: response.headers.get("X-Collector-Reason") || String(response.status),
                detail,
              },
            ]
          : errors;
      } catch {
        // An answer that is not the collector's is shown as it is.
      }
    },
    () => (entry.status = -1),
  );
  return answer;
};

const script = document.currentScript as HTMLScriptElement;
const after = (): void => {
  const { tracker } = window as unknown as { tracker?: { track?: Track } };
  if (tracker) watch(tracker);
  else document.querySelector("script[data-source]")?.addEventListener("load", after);
};
(script as unknown as { watched: Watched }).watched = { tracked, sent, after };
