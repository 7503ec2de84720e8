/** Requests: which events go together, the JSON that carries them, and the exchange itself. */
import { deviceId, profileId } from "./identity";
import { bytes, type Entry, type Queue } from "./queue";
import type { Answer, Json, TrackerOptions, TrackerWindow } from "./types";

export type TrackRequest = [batch: Entry[], body: string];

/** A response, read to its end. `status` is 0 where there was none. */
export type Reply = [
  status: number,
  data: Partial<Answer> & { detail?: unknown },
  text: string,
  headers?: Headers | undefined,
];

/** Browsers allow 64 KiB of keepalive bodies in flight, all of a page's together. */
const MAX_BODY_BYTES = 6e4;
const TIMEOUT = 3e4; // milliseconds

/** Bytes of all bodies whose response has not come. */
let inFlight = 0;

/** Whether a request can outlive the page, beside those in flight. */
export const fitsKeepalive = (body: string): boolean => inFlight + bytes(body) < MAX_BODY_BYTES;

/**
 * Makes a request of the longest run of due events of one session that fits; undefined when none is
 * due.
 */
export const nextRequest = (
  queue: Queue,
  config: TrackerOptions,
  context: () => Json,
): TrackRequest | undefined => {
  const due = [...queue.entries_.values()].filter((entry) => entry.due_ && !entry.sent_);
  const first = due[0];
  if (!first) return;
  const profile = config.profile?.id || profileId();
  // In the order that packs best; `source` comes first, which the collector looks for.
  const head = JSON.stringify({
    source: config.source,
    options: config.qa || (window as unknown as TrackerWindow).__tt_qa,
    context: context(),
    device: { id: deviceId() },
    session: { id: first.session_ },
    profile: profile && { id: profile + "" }, // from a `data-` attribute it may be a number
    sentAt: new Date(),
  }).slice(0, -1);
  const batch: Entry[] = [];
  let room = MAX_BODY_BYTES - 12 - bytes(head); // 12: what encloses the events
  for (const entry of due) {
    room -= entry.size_! + 1; // and its comma
    // An event that is too large for any request goes alone, and the collector decides.
    const isFull = room < 0 || batch.length >= queue.limit_ || entry.session_ != first.session_;
    if (batch[0] && isFull) break;
    batch.push(entry);
  }
  return [batch, `${head},"events":[${batch.map((entry) => entry.json_)}]}`];
};

/** Sends a request, with its events marked meanwhile. Never rejects. */
export const post = async (url: string, [batch, body]: TrackRequest): Promise<Reply> => {
  const reply: Reply = [0, {}, ""];
  const size = bytes(body);
  for (const entry of batch) entry.sent_ = true;
  inFlight += size;
  const timeout = new AbortController();
  setTimeout(() => timeout.abort(), TIMEOUT);
  try {
    // A string is sent as text/plain, which spares the wait for a CORS preflight. fetch, not
    // sendBeacon: that is true even when a content security policy kills the request.
    const response = await fetch(url, {
      signal: timeout.signal,
      // So that it survives leaving the page. Beyond the budget browsers reject it.
      keepalive: inFlight < MAX_BODY_BYTES,
      body,
      method: "POST",
    });
    reply[0] = response.status;
    reply[3] = response.headers;
    // Whatever the status: browsers keep the connection busy until the body has been read.
    reply[2] = await response.text();
    reply[1] = JSON.parse(reply[2]) || {};
  } catch {
    // No response, one that was cut off, or somebody else's HTML.
  }
  inFlight -= size;
  for (const entry of batch) entry.sent_ = false;
  return reply;
};
