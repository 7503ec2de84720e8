/** One request at a time, in order, until every event has a verdict. */
import { apiOf } from "./config";
import { sessionContext } from "./context";
import { adoptProfile, deviceId, profileId } from "./identity";
import { QUEUE } from "./names";
import { bytes, type Entry, type Queue } from "./queue";
import { read, write } from "./storage";
import type { Answer, TrackerOptions } from "./types";

/** Browsers allow 64 KiB of keepalive bodies in flight, all together; the envelope takes about 1 KB of a request. */
const BODY_BYTES = 6e4;
const EVENTS_BYTES = 57e3;
const MAX_WAIT = 3e5;
const ANSWER_TIMEOUT = 3e4;
/** A tab that lives has sent an event by this age. */
const YOUNG = 3e3;

export interface Transport {
  /** Everything that waits now becomes due; what is tracked later goes with a later request. */
  flush(): Promise<void>;
  /** Leaving the page: what is pending goes out at once, as far as the browser's keepalive budget reaches. */
  leave(): void;
  /** Flushes in `delay` ms, with whatever else has come by then. */
  schedule(delay: number): void;
  /** Flushes now, whatever the pause after failures. */
  resume(): void;
}

export const createTransport = (
  queue: Queue,
  config: TrackerOptions,
  onAnswer: (answer: Answer | null) => void,
): Transport => {
  const api = apiOf(config);
  const said = new Set<string>();
  let running: Promise<void> | undefined;
  let again = false;
  let atMost = Infinity;
  let inFlight = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** After failures: no request before `until`. Shared by all tabs of the site through storage. */
  let pause = { until: 0, wait: 0 };

  const say = (message: string): void => {
    if (!said.has(message)) console.error("[ThamesThrive] " + message);
    said.add(message);
  };

  const readPause = (): typeof pause => {
    try {
      pause = { ...pause, ...(JSON.parse(read(QUEUE) as string) as object) };
    } catch {
      // nothing shared yet
    }
    return pause;
  };

  const setPause = (until: number, wait: number): void => {
    if (until || readPause().until) write(QUEUE, JSON.stringify((pause = { until, wait })));
  };

  const backOff = (after = 0): void => {
    const wait = Math.min(Math.max(readPause().wait * 2, 1e3), MAX_WAIT);
    const rest = Math.max(after, wait * (0.5 + Math.random() / 2));
    setPause(Date.now() + rest, wait);
    schedule(rest);
  };

  /** The longest run of due events of one session that fits a request. */
  const nextBatch = (): Entry[] => {
    const batch: Entry[] = [];
    let room = EVENTS_BYTES;
    for (const entry of queue.entries.values()) {
      if (!entry.due || entry.sent) continue;
      room -= entry.size + 1;
      if (batch[0] && (room < 0 || batch.length >= atMost || entry.session != batch[0].session)) break;
      batch.push(entry);
    }
    return batch;
  };

  const bodyOf = (batch: Entry[]): string => {
    const profile = config.profile?.id || profileId();
    const head = JSON.stringify({
      source: config.source,
      session: { id: batch[0]!.session },
      profile: profile && { id: profile },
      device: { id: deviceId() },
      context: sessionContext(config.context),
      sentAt: new Date(),
      dropped: queue.dropped || undefined,
    });
    return `${head.slice(0, -1)},"events":[${batch.map((entry) => entry.json)}]}`;
  };

  const settle = (batch: Entry[], { events, profile, errors = [], warnings = [] }: Answer): void => {
    if (profile?.id) adoptProfile(profile.id);
    let verdicts = 0;
    for (const entry of batch) {
      const { id } = entry;
      const error = errors.find((note) => note.id == id);
      if (events.includes(id)) {
        const duplicate = warnings.some((note) => note.id == id && note.reason == "duplicate");
        queue.settle(entry, { stored: true, id, ...(duplicate && { duplicate }) });
      } else if (error) {
        const { reason, detail = "" } = error;
        say(`An event was not stored: ${reason} ${detail}`);
        queue.settle(entry, { stored: false, id, reason, detail });
      } else continue;
      verdicts++;
    }
    // An answer that passes over an event proves nothing about it.
    if (verdicts < batch.length) backOff();
    else setPause(0, 0);
  };

  const refuse = (batch: Entry[], status: number, reason: string, detail: string): void => {
    say(`Source ${config.source!.id} was refused by ${api}: ${status} ${detail}` +
      (reason == "unknown_source" ? " Compare options.tracker.source.id with `thamesthrive source list`." : ""));
    for (const entry of batch) queue.settle(entry, { stored: false, id: entry.id, reason, detail });
    onAnswer(null);
  };

  const send = async (batch: Entry[]): Promise<void> => {
    const { dropped } = queue;
    const body = bodyOf(batch);
    const size = bytes(body);
    const abort = new AbortController();
    const timeout = setTimeout(() => abort.abort(), ANSWER_TIMEOUT);
    for (const entry of batch) entry.sent = true;
    inFlight += size;
    let response: Response | undefined;
    let text = "";
    let answer: Partial<Answer> & { detail?: unknown } = {};
    try {
      // A string body is text/plain, which needs no CORS preflight.
      response = await fetch(api + "/track", {
        method: "POST",
        body,
        keepalive: inFlight < BODY_BYTES,
        credentials: "omit",
        signal: abort.signal,
      });
      text = await response.text(); // to its end, whatever the status
      answer = JSON.parse(text) || {};
    } catch {
      // No answer, one that was cut, or somebody else's HTML.
    }
    clearTimeout(timeout);
    inFlight -= size;
    for (const entry of batch) entry.sent = false;

    const { status = 0, headers } = response || {};
    if (status == 200 && Array.isArray(answer.events)) {
      atMost = Infinity;
      queue.dropped -= dropped;
      settle(batch, answer as Answer);
      onAnswer(answer as Answer);
    } else if (status == 413 && batch[1]) atMost = batch.length >> 1;
    else if (status >= 400 && status < 500 && ![408, 425, 429].includes(status)) {
      const detail = answer.detail || text;
      refuse(batch, status, headers!.get("X-Collector-Reason") || "invalid",
        typeof detail == "string" ? detail.slice(0, 200) : JSON.stringify(detail));
    } else {
      // Nobody knows what became of the events, so they go again.
      const after = headers?.get("Retry-After");
      backOff(after ? +after * 1e3 || Date.parse(after) - Date.now() || 0 : 0);
    }
  };

  const drain = async (): Promise<void> => {
    while (again) {
      again = false;
      queue.recover(YOUNG);
      for (let batch; (batch = nextBatch())[0]; ) {
        const rest = readPause().until - Date.now();
        if (rest > 0) return schedule(rest);
        await send(batch);
      }
    }
  };

  /** One tab sends at a time. The lock is the browser's own, so a crashed tab holds up nobody. */
  const alone = async (): Promise<void> => {
    let started;
    try {
      await (navigator.locks as LockManager | undefined)?.request(QUEUE, () => {
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
    for (const entry of queue.entries.values()) entry.due = true;
  };

  const flush = (): Promise<void> => {
    makeDue();
    again = true;
    return (running ||= alone());
  };

  const schedule = (delay: number): void => {
    timer ||= setTimeout(() => {
      timer = undefined;
      void flush();
    }, delay);
  };

  return {
    flush,
    schedule,
    resume() {
      setPause(0, 0);
      void flush();
    },
    leave() {
      makeDue();
      for (let batch; (batch = nextBatch())[0] && inFlight + bytes(bodyOf(batch)) < BODY_BYTES; ) void send(batch);
    },
  };
};
