/**
 * Events that have no verdict yet: an in-memory index in sending order, and a localStorage key for each.
 * An event leaves by id, and only when the collector has spoken, or when the queue is full.
 */
import { eventId, timeOf } from "./ids";
import { forget, keys, read, write } from "./storage";
import type { TrackResult } from "./types";

export interface Entry {
  /** Identifies the call on this browser, in the order of the calls. */
  key: string;
  /** The event's UUID, made of the key. */
  id: string;
  /** The event as it goes over the wire. */
  json: string;
  /** Bytes of `json`. */
  size: number;
  /** The visit it belongs to. */
  session: string;
  /** Settles the page's promise; an event found in storage has none. */
  done?: ((result: TrackResult) => void) | undefined;
  /** May go with the next request. */
  due?: boolean;
  /** Is in a request whose answer is awaited. */
  sent?: boolean;
}

export interface Queue {
  /** In sending order. */
  entries: Map<string, Entry>;
  /** Events given up for lack of room and not yet reported to the collector. */
  dropped: number;
  add(entry: Entry): void;
  settle(entry: Entry, result: TrackResult): void;
  /**
   * Takes in what earlier pages and crashed tabs left, and lets go of what another tab has delivered meanwhile.
   * Events younger than `age` ms are left to the tab that made them.
   */
  recover(age: number): void;
}

const MAX_EVENTS = 1000;
const MAX_BYTES = 1e6;

export const bytes = (text: string): number => new TextEncoder().encode(text).length;

/** `adopt` makes an entry's session and wire JSON of a call that a loader kept, before either was known. */
export const createQueue = (prefix: string, adopt: (key: string, call: string) => [session: string, json: string]): Queue => {
  let held = 0;
  const index = (entry: Entry): void => {
    queue.entries.set(entry.key, entry);
    held += entry.size;
  };
  const queue: Queue = {
    entries: new Map(),
    dropped: 0,
    add(entry) {
      index(entry);
      write(prefix + entry.key, `${entry.session}|${entry.json}`);
      for (const oldest of queue.entries.values()) {
        if (queue.entries.size <= MAX_EVENTS && held <= MAX_BYTES) break;
        queue.dropped++;
        queue.settle(oldest, { stored: false, id: oldest.id, reason: "overloaded", detail: "queue full" });
      }
    },
    settle(entry, result) {
      if (queue.entries.delete(entry.key)) {
        held -= entry.size;
        forget(prefix + entry.key);
        entry.done?.(result);
      }
    },
    recover(age) {
      const found = keys(prefix);
      const mine = [...queue.entries.values()].filter((entry) => entry.done || entry.sent || found.includes(prefix + entry.key));
      const known = queue.entries;
      queue.entries = new Map();
      held = 0;
      for (const name of found) {
        const key = name.slice(prefix.length);
        const value = read(name) || "";
        if (known.has(key) || !(Date.now() - timeOf(key) >= age)) continue;
        const [session, json] = value[0] == "[" ? adopt(key, value) : value.split(/\|(.*)/s);
        if (json) index({ key, id: eventId(key), json, size: bytes(json), session: session as string, due: true });
      }
      mine.map(index); // older events first
    },
  };
  return queue;
};
