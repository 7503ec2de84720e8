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
/** How often a tab looks whether the pause has ended. */
const PAUSE_INTERVAL = 1e4; // milliseconds
/** How often a tab looks for events that wait, whoever has tracked them. */
const HEARTBEAT = 3e4; // milliseconds

/** Called with each response's body, and with null when the collector refused a request. */
type OnAnswer = (answer: Answer | null) => void;

/** Makes a function that sends a request and settles its events. */
const createSend = (
  queue: Queue,
  config: TrackerOptions,
  onAnswer: OnAnswer,
): ((request: TrackRequest) => Promise<void>) => {
  const api = apiOf(config);
  return async (request) => {
    const [batch] = request;
    const reply = await post(api + "/track", request);
    const [status, data, , headers] = reply;
    const refusal = refusalOf(reply, batch.length);
    const accepted = status == 200 && data.events?.map;
    let undecided = batch.length;
    if (refusal) {
      reportError(
        `${api} refused source ${config.source!.id}: ${status} ${refusal.detail}` +
          // 401 and 403: an unknown or disabled source, or an origin that it does not list.
          (status < 404 ? " See `thamesthrive source list`" : ""),
      );
    } else if (accepted) {
      queue.limit_ = Infinity;
      if (data.profile?.id) adoptProfile(data.profile.id);
    }
    if (refusal || accepted) {
      undecided = settle(queue, batch, reply, refusal);
      onAnswer(refusal ? null : (data as Answer));
    }
    if (!undecided) endPause();
    else if (status == 413) queue.limit_ = undecided >> 1;
    // What has no verdict is sent again: it may or may not be stored.
    else extendPause(headers);
  };
};

/**
 * `context`: the session's, asked for each request. `granted`: whether anything may be sent.
 * Returns what sends everything that waits now, what does so in a while, with whatever else has
 * come by then, and what makes it happen from now on when the page has loaded, comes back, goes
 * online, is hidden or left.
 */
export const createTransport = (
  queue: Queue,
  config: TrackerOptions,
  context: () => Json,
  granted: () => boolean,
  onAnswer: OnAnswer,
) => {
  let running: Promise<void> | undefined;
  let again = false;
  let timer: unknown;

  const schedule = (delay: number): void => {
    timer ||= setTimeout(() => {
      timer = 0;
      void flush();
    }, delay);
  };
  const send = createSend(queue, config, onAnswer);
  const next = (): TrackRequest | undefined =>
    granted() ? nextRequest(queue, config, context) : undefined;
  const sendNext = async (): Promise<void> => {
    queue.recover_(ABANDONED_AGE);
    const request = next();
    // Nothing to wait for.
    if (!request) return onAnswer(null);
    const rest = readPause();
    if (rest > 0) {
      // Another tab may end the pause.
      return schedule(Math.min(rest, PAUSE_INTERVAL));
    }
    await send(request);
    void resume(); // the page may have been left and come back meanwhile
  };
  const drain = async (): Promise<void> => {
    while (again) {
      again = false;
      await withTabLock(sendNext);
    }
    running = undefined;
  };
  const makeDue = (): void => {
    queue.entries_.forEach((entry) => {
      entry.due_ = true;
    });
  };
  const resume = (): Promise<void> => {
    again = true;
    running ||= drain();
    return running;
  };
  const flush = (): Promise<void> => {
    makeDue();
    return resume();
  };
  /** Sends what waits at once, as far as the keepalive budget reaches. */
  const leave = (): void => {
    makeDue();
    for (let request; (request = next()) && fitsKeepalive(request[1]);) {
      void send(request).then(resume);
    }
  };
  // Also when it comes back from the back/forward cache.
  addEventListener("pageshow", flush);
  addEventListener("online", () => {
    endPause();
    void flush();
  });
  addEventListener("pagehide", leave);
  // For what a tab has left that is gone, and whatever else nobody saw to.
  setInterval(flush, HEARTBEAT);
  // Mobile browsers kill hidden pages without another event.
  addEventListener("visibilitychange", () => document.hidden && leave());
  return [flush, schedule] as const;
};
