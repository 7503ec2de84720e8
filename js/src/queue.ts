/**
 * Events that have no verdict yet: an in-memory index in sending order, and a localStorage key for each.
 * An event leaves by id, and only when the collector has spoken, or when the queue is full.
 */
import { eventId, timeOf } from "./ids";
import { forget, keys, read, write } from "./storage";
import type { Response, Settle, TrackResult } from "./types";

/** Names that end in an underscore are the bundle's own: the build shortens them. */
export interface Entry {
  /** Identifies the call on this browser, in the order of the calls. */
  key_: string;
  /** The event as it goes over the wire. */
  json_: string;
  /** Bytes of `json_`. */
  size_?: number;
  /** The visit it belongs to. */
  session_: string;
  /** Settles the page's promise; an event found in storage has none. */
  done_?: Settle | undefined;
  /** May go with the next request. */
  due_?: boolean;
  /** Is in a request whose answer is awaited. */
  sent_?: boolean;
}

export interface Queue {
  /** In sending order. */
  entries_: Map<string, Entry>;
  /** Events given up for lack of room and not yet reported to the collector. */
  dropped_: number;
  add_(entry: Entry): void;
  /** Writes everything down, as events of this visit: until now nothing might be stored. */
  keep_(session: string): void;
  settle_(entry: Entry, result: Verdict, response?: Response): void;
  /**
   * Takes in what earlier pages and crashed tabs left, and lets go of what another tab has delivered meanwhile.
   * Events younger than `age` ms are left to the tab that made them.
   */
  recover_(age: number): void;
}

/** A result before it has the event's id. */
export type Verdict = TrackResult extends infer R
  ? R extends TrackResult
    ? Omit<R, "id">
    : never
  : never;

const MAX_EVENTS = 1000;
const MAX_BYTES = 1e6;

export const bytes = (text: string): number => new TextEncoder().encode(text).length;

/** `adopt` makes an entry's session and wire JSON of a call that a loader kept, before either was known. */
export const createQueue = (
  prefix: string,
  adopt: (key: string, call: string) => [session: string, json: string],
): Queue => {
  let held = 0;
  const index = (entry: Entry): void => {
    queue.entries_.set(entry.key_, entry);
    held += entry.size_ ||= bytes(entry.json_);
  };
  const keep = ({ key_, session_, json_ }: Entry): unknown =>
    write(prefix + key_, session_ + "|" + json_);
  const queue: Queue = {
    entries_: new Map(),
    dropped_: 0,
    add_(entry) {
      index(entry);
      keep(entry);
      for (const oldest of queue.entries_.values()) {
        if (queue.entries_.size <= MAX_EVENTS && held <= MAX_BYTES) break;
        queue.dropped_++;
        queue.settle_(oldest, { stored: false, reason: "overloaded", detail: "queue full" });
      }
    },
    keep_(session) {
      for (const entry of queue.entries_.values()) {
        entry.session_ = session;
        keep(entry);
      }
    },
    settle_(entry, verdict, response) {
      const { key_ } = entry;
      if (queue.entries_.delete(key_)) {
        held -= entry.size_!;
        forget(prefix + key_);
        entry.done_?.({ id: eventId(key_), ...verdict } as TrackResult, response);
      }
    },
    recover_(age) {
      const found = keys(prefix);
      const known = queue.entries_;
      queue.entries_ = new Map();
      held = 0;
      for (const name of found) {
        const key_ = name.slice(prefix.length);
        const value = read(name) || "";
        if (known.has(key_) || !(Date.now() - timeOf(key_) >= age)) continue;
        const [session_, json_] = (
          value[0] == "[" ? adopt(key_, value) : value.split(/\|(.*)/s)
        ) as [string, string];
        if (json_) index({ key_, json_, session_, due_: true });
      }
      // Older events first.
      known.forEach(
        (entry, key) =>
          (entry.done_ || entry.sent_ || found.includes(prefix + key)) && index(entry),
      );
    },
  };
  return queue;
};
