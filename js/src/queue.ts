/**
 * Events without a verdict: an index in memory, in sending order, and a localStorage key for each.
 * An event leaves by its id, and only when the collector has spoken or the queue is full.
 */
import { reportError } from "./console";
import { eventId, followKey, timeOf } from "./ids";
import { sessionId } from "./session-cookie";
import { attempt, forget, keys, read, write } from "./storage";
import type { Response, Settle, TrackCall, TrackResult } from "./types";

/** A waiting event. The build shortens names that end in an underscore. */
export interface Entry {
  /** Identifies the call in this browser, in the order of the calls. */
  key_: string;
  /** The event as it is sent. */
  json_: string;
  /** Bytes of `json_`. */
  size_?: number;
  /** The session it belongs to. */
  session_: string;
  /** Settles the page's promise; an event found in storage has none. */
  done_?: Settle | undefined;
  /** May go with the next request. */
  due_?: boolean;
  /** Is in a request whose response has not come. */
  sent_?: boolean;
}

export interface Queue {
  /** In sending order. */
  entries_: Map<string, Entry>;
  /** How many events a request may have: after a 413, half of what it had. */
  limit_: number;
  add_(key: string, call: TrackCall, done: Settle): void;
  /** Stores all entries as events of `session`, because only now they may be stored. */
  store_(session: string): void;
  settle_(entry: Entry, verdict: Verdict, response?: Response): void;
  /**
   * Takes in what earlier pages and crashed tabs have left, and drops what another tab has
   * delivered. Events younger than `age` ms are left to the tab that made them.
   */
  recover_(age: number): void;
}

/** A result before it has the event's id. */
export type Verdict = TrackResult extends infer R
  ? R extends TrackResult
    ? Omit<R, "id">
    : never
  : never;

export const bytes = (text: string): number => new TextEncoder().encode(text).length;

/** `toJson` makes the JSON that is sent of a call. */
export const createQueue = (
  prefix: string,
  toJson: (key: string, call: TrackCall) => string,
): Queue => {
  const MAX_EVENTS = 1000;
  const MAX_BYTES = 1e6;
  let heldBytes = 0;

  const hold = (entry: Entry): void => {
    entry.size_ ||= bytes(entry.json_);
    heldBytes += entry.size_;
    queue.entries_.set(entry.key_, entry);
    if (entry.size_ > MAX_BYTES) {
      reportError("not stored: too_large");
      queue.settle_(entry, { stored: false, reason: "too_large" });
    }
  };
  const store = ({ key_, session_, json_ }: Entry): string =>
    write(prefix + key_, session_ + "|" + json_);
  const entryFromCall = (key_: string, call: TrackCall, done_?: Settle): Entry => ({
    key_,
    json_: toJson(key_, call),
    session_: sessionId(),
    done_,
  });
  /** A loader stores calls as they are, because it knows neither session nor context. */
  const restore = (key_: string): void => {
    const value = read(prefix + key_) || "";
    followKey(key_);
    const [session_, json_] = value.split(/\|(.*)/s) as [string, string];
    const entry: Entry =
      value[0] == "[" ? entryFromCall(key_, JSON.parse(value)) : { key_, session_, json_ };
    entry.due_ = true;
    if (entry.json_) hold(entry);
  };

  const queue: Queue = {
    entries_: new Map(),
    limit_: Infinity,
    add_(key, call, done) {
      const entry = entryFromCall(key, call, done);
      let dropped = 0;
      store(entry);
      hold(entry);
      for (const oldest of queue.entries_.values()) {
        if (queue.entries_.size <= MAX_EVENTS && heldBytes <= MAX_BYTES) break;
        dropped += 1 + ((JSON.parse(oldest.json_) as { dropped?: number }).dropped || 0);
        queue.settle_(oldest, { stored: false, reason: "overloaded" });
      }
      if (dropped) {
        // In the event, so that it is kept, and counted once, as the event is.
        entry.json_ = `{"dropped":${dropped},` + entry.json_.slice(1);
        store(entry);
      }
    },
    store_(session) {
      queue.entries_.forEach((entry) => {
        entry.session_ = session;
        store(entry);
      });
    },
    settle_(entry, verdict, response) {
      if (queue.entries_.delete(entry.key_)) {
        heldBytes -= entry.size_!;
        forget(prefix + entry.key_);
        entry.done_?.({ id: eventId(entry.key_), ...verdict } as TrackResult, response);
      }
    },
    recover_(age) {
      const stored = new Set(keys(prefix));
      const known = queue.entries_;
      queue.entries_ = new Map();
      heldBytes = 0;
      for (const name of stored) {
        const key = name.slice(prefix.length);
        // A clock that was ahead and has been put right leaves keys of the future.
        if (!known.has(key) && Math.abs(Date.now() - timeOf(key)) >= age) {
          attempt(() => restore(key));
        }
      }
      for (const [key, entry] of known) {
        if (entry.done_ || entry.sent_ || stored.has(prefix + key)) hold(entry);
      }
      // By key: as text, a pair begins with it.
      queue.entries_ = new Map([...queue.entries_].sort());
    },
  };
  return queue;
};
