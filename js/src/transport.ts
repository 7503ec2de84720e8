/** One request at a time, in order, until every event has a verdict. */
import { apiOf } from "./config";
import { adoptProfile, deviceId, profileId } from "./identity";
import { eventId } from "./ids";
import { QUEUE } from "./storage-keys";
import { bytes, type Entry, type Queue } from "./queue";
import { read, write } from "./storage";
import type { Answer, Json, Note, TrackerOptions } from "./types";

/** Browsers allow 64 KiB of keepalive bodies in flight, all together. */
const BODY_BYTES = 6e4;
const MAX_WAIT = 3e5;
const ANSWER_TIMEOUT = 3e4;
/** A tab that lives has sent an event by this age. */
const YOUNG = 3e3;

export interface Transport {
  /** Everything that waits now becomes due; what is tracked later goes with a later request. */
  flush_(): Promise<void>;
  /** Leaving the page: what is pending goes out at once, as far as the browser's keepalive budget reaches. */
  leave_(): void;
  /** Flushes in `delay` ms, with whatever else has come by then. */
  schedule_(delay: number): void;
  /** Flushes now, whatever the pause after failures. */
  resume_(): void;
}

export const createTransport = (
  queue: Queue,
  config: TrackerOptions,
  context: () => Json,
  granted: () => boolean,
  onAnswer: (answer: Answer | null) => void,
): Transport => {
  const api = apiOf(config);
  let said = "";
  let running: Promise<void> | undefined;
  let again = false;
  let atMost = Infinity;
  let inFlight = 0;
  let timer: unknown;
  /** After failures: no request before `until`. Shared by all tabs of the site through storage. */
  let until = 0;
  let wait = 0;

  const say = (message: string): void => {
    if (said != message) console.error("[ThamesThrive]", (said = message));
  };

  const readPause = (): number => {
    const shared = read(QUEUE);
    if (shared) [until, wait] = shared.split(" ").map(Number) as [number, number];
    return until - Date.now();
  };

  const setPause = (rest: number, next: number): void => {
    until = rest + Date.now();
    write(QUEUE, until + " " + (wait = next));
  };

  const backOff = (after: number): void => {
    readPause();
    const next = Math.min(wait * 2 || 1e3, MAX_WAIT);
    const rest = Math.max(after, next * (0.5 + Math.random() / 2));
    setPause(rest, next);
    schedule_(rest);
  };

  /** The longest run of due events of one session that fits a request, and its body. */
  const nextBatch = (): [batch: Entry[], body: string] => {
    const batch: Entry[] = [];
    let head = "";
    let room = BODY_BYTES - 12;
    for (const entry of queue.entries_.values()) {
      if (!entry.due_ || entry.sent_ || !granted()) continue;
      if (!head) {
        const profile = config.profile?.id || profileId();
        head = JSON.stringify({
          source: config.source,
          session: { id: entry.session_ },
          profile: profile && { id: profile + "" }, // from an attribute it may be a number
          device: { id: deviceId() },
          context: context(),
          sentAt: new Date(),
          dropped: queue.dropped_ || undefined,
        }).slice(0, -1);
        room -= bytes(head);
      }
      room -= entry.size_! + 1;
      if (batch[0] && (room < 0 || batch.length >= atMost || entry.session_ != batch[0].session_))
        break;
      batch.push(entry);
    }
    return [batch, `${head},"events":[${batch.map((entry) => entry.json_)}]}`];
  };

  const send = async (batch: Entry[], body: string): Promise<void> => {
    const { dropped_ } = queue;
    const size = bytes(body);
    for (const entry of batch) entry.sent_ = true;
    inFlight += size;
    let status = 0;
    let text = "";
    let headers: Headers | undefined;
    let data: Partial<Answer> & { detail?: unknown } = {};
    try {
      // A string body is text/plain, which needs no CORS preflight.
      const answer = await fetch(api + "/track", {
        method: "POST",
        body,
        keepalive: inFlight < BODY_BYTES,
        signal: (AbortSignal as Partial<typeof AbortSignal>).timeout?.(
          ANSWER_TIMEOUT,
        ) as AbortSignal,
      });
      ({ status, headers } = answer);
      text = await answer.text(); // to its end, whatever the status
      data = JSON.parse(text) || {};
    } catch {
      // No answer, one that was cut, or somebody else's HTML.
    }
    inFlight -= size;
    for (const entry of batch) entry.sent_ = false;

    const { events, profile, errors = [], warnings = [] } = data;
    const detail = typeof data.detail == "string" ? data.detail : text.slice(0, 200);
    const refused = /^4/.test("" + status) && ![408, 425, 429, batch[1] && 413].includes(status);
    const reason = headers?.get("X-Collector-Reason") || "invalid";
    const after = headers?.get("Retry-After") as string; // seconds or a date
    const response = { status, data: data as Answer };
    let left = batch.length;
    if (refused || (status == 200 && Array.isArray(events))) {
      if (refused) {
        say(
          `${api} refused source ${config.source!.id}: ${status} ${detail}${reason == "unknown_source" ? " See `thamesthrive source list`" : ""}`,
        );
      } else {
        atMost = Infinity;
        queue.dropped_ -= dropped_;
        if (profile?.id) adoptProfile(profile.id);
      }
      for (const entry of batch) {
        const id = eventId(entry.key_);
        const named = (note: Note): boolean => note.id == id;
        const error = refused ? { reason, detail } : errors.find(named);
        if (events?.includes(id)) {
          const again = warnings.some((note) => named(note) && note.duplicate);
          queue.settle_(entry, { stored: true, ...(again && { duplicate: true }) }, response);
        } else if (error) {
          const { reason, detail = "" } = error;
          if (!refused) say(`not stored: ${reason} ${detail}`);
          queue.settle_(entry, { stored: false, reason, detail }, response);
        } else continue;
        left--;
      }
      onAnswer(refused ? null : (data as Answer));
    }
    if (status == 413 && left) atMost = left >> 1;
    // What has no verdict goes again: nobody knows what became of it.
    else if (left) backOff(+after * 1e3 || Date.parse(after) - Date.now() || 0);
    else if (wait) setPause(0, 0);
  };

  const drain = async (): Promise<void> => {
    while (again) {
      again = false;
      queue.recover_(YOUNG);
      for (let next; (next = nextBatch())[0][0];) {
        const rest = readPause();
        if (rest > 0) return schedule_(rest);
        await send(...next);
      }
    }
  };

  /** One tab sends at a time. The lock is the browser's own, so a crashed tab holds up nobody. */
  const alone = async (): Promise<void> => {
    let started;
    try {
      await navigator.locks.request(QUEUE, () => {
        started = true;
        return drain();
      });
    } catch {
      // Sandboxed frames refuse locks; plain http has none.
    }
    if (!started) await drain();
    running = undefined;
  };

  const makeDue = (): void => {
    for (const entry of queue.entries_.values()) entry.due_ = true;
  };

  const flush_ = (): Promise<void> => {
    makeDue();
    again = true;
    return (running ||= alone());
  };

  const schedule_ = (delay: number): void => {
    timer ||= setTimeout(() => {
      timer = 0;
      void flush_();
    }, delay);
  };

  return {
    flush_,
    schedule_,
    resume_() {
      setPause(0, 0);
      void flush_();
    },
    leave_() {
      makeDue();
      for (let next; (next = nextBatch())[0][0] && inFlight + bytes(next[1]) < BODY_BYTES;)
        void send(...next);
    },
  };
};
