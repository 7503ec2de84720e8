/** Sends what is due: one request at a time, in order, until every event has a verdict. */
import { endPause, extendPause, readPause } from "./back-off";
import { apiOf } from "./config";
import { reportError } from "./console";
import { adoptProfile } from "./identity";
import type { Queue } from "./queue";
import { fitsKeepalive, nextRequest, post, type TrackRequest } from "./request";
import { refusalOf, settle } from "./response";
import { withTabLock } from "./tab-lock";
import type { Answer, Json, TrackerOptions } from "./types";

/** A tab that is alive has sent its events by this age. */
const ABANDONED_AGE = 3e3; // milliseconds

export interface Transport {
  /** Sends everything that waits now; what is tracked later goes with a later request. */
  flush_(): Promise<void>;
  /** Flushes in `delay` ms, together with whatever else has come by then. */
  schedule_(delay: number): void;
  /** Sends from now on when the page has loaded, comes back, goes online, is hidden or left. */
  followPage_(): void;
}

/** Called with each response's body, and with null when the collector refused a request. */
type OnAnswer = (answer: Answer | null) => void;

/**
 * Makes a function that sends a request and settles its events. It calls `schedule` when some of
 * them must go again.
 */
const createSend = (
  queue: Queue,
  config: TrackerOptions,
  onAnswer: OnAnswer,
  schedule: (delay: number) => void,
): ((request: TrackRequest) => Promise<void>) => {
  const api = apiOf(config);
  return async (request) => {
    const { dropped_ } = queue;
    const [batch] = request;
    const reply = await post(api + "/track", request);
    const [status, data, , headers] = reply;
    const refusal = refusalOf(reply, batch.length);
    const accepted = status == 200 && Array.isArray(data.events);
    let undecided = batch.length;
    if (refusal) {
      const { reason, detail } = refusal;
      const hint = reason == "unknown_source" ? " See `thamesthrive source list`" : "";
      reportError(`${api} refused source ${config.source!.id}: ${status} ${detail}${hint}`);
    } else if (accepted) {
      queue.limit_ = Infinity;
      queue.dropped_ -= dropped_; // They have been reported.
      if (data.profile?.id) adoptProfile(data.profile.id);
    }
    if (refusal || accepted) {
      undecided = settle(queue, batch, reply, refusal);
      onAnswer(refusal ? null : (data as Answer));
    }
    if (!undecided) endPause();
    else if (status == 413) queue.limit_ = undecided >> 1;
    // What has no verdict is sent again: it may or may not be stored.
    else schedule(extendPause(headers));
  };
};

/** `context`: the session's, asked for each request. `granted`: whether anything may be sent. */
export const createTransport = (
  queue: Queue,
  config: TrackerOptions,
  context: () => Json,
  granted: () => boolean,
  onAnswer: OnAnswer,
): Transport => {
  let running: Promise<void> | undefined;
  let again = false;
  let timer: unknown;

  const schedule_ = (delay: number): void => {
    timer ||= setTimeout(() => {
      timer = 0;
      void flush_();
    }, delay);
  };
  const send = createSend(queue, config, onAnswer, schedule_);
  const next = (): TrackRequest | undefined =>
    granted() ? nextRequest(queue, config, context) : undefined;
  const drain = async (): Promise<void> => {
    try {
      while (again) {
        again = false;
        queue.recover_(ABANDONED_AGE);
        for (let request = next(); request; request = next()) {
          const rest = readPause();
          if (rest > 0) {
            schedule_(rest);
            break;
          }
          await send(request);
        }
      }
    } finally {
      // At once, not when the lock is free: a flush until then would wait for nothing.
      running = undefined;
    }
  };
  const makeDue = (): void => {
    for (const entry of queue.entries_.values()) entry.due_ = true;
  };
  const flush_ = (): Promise<void> => {
    makeDue();
    again = true;
    running ||= withTabLock(drain);
    return running;
  };
  /** Sends what waits at once, as far as the keepalive budget reaches. */
  const leave = (): void => {
    makeDue();
    for (let request = next(); request && fitsKeepalive(request[1]); request = next()) {
      void send(request);
    }
  };
  const followPage_ = (): void => {
    // Also when it comes back from the back/forward cache.
    addEventListener("pageshow", flush_);
    addEventListener("online", () => {
      readPause(); // Another tab may have set the pause.
      endPause();
      void flush_();
    });
    addEventListener("pagehide", leave);
    // Mobile browsers kill hidden pages without another event.
    addEventListener("visibilitychange", () => document.hidden && leave());
  };

  return { flush_, schedule_, followPage_ };
};
