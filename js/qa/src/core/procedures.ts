/**
 * What is asked of the collector, and of the page, to judge an expectation. Each is a generator
 * that yields what it asks and is resumed with the reply, because Playwright waits for promises,
 * and Cypress for commands.
 */
import { matches } from "./match";
import type { Expectation, JournalRequest, RejectedEvent, RunFacts, StoredEvent } from "./types";

export type Ask =
  | {
      to: "collector";
      /** Below the collector's address. */
      path: string;
      /** Milliseconds after which no answer is an error. */
      patience: number;
    }
  /** Have every open page send what waits. Its reply is empty. */
  | { to: "pages" };

export interface Reply {
  status: number;
  body: unknown;
}

export type Procedure<T> = Generator<Ask, T, Reply>;

/** The run that is looked at, and how long. Times are milliseconds. */
export interface Look {
  run: string;
  /** How long what must come may take. */
  timeout: number;
  /** How long nothing of the run may have been in flight before "there is none" counts. */
  idle: number;
}

/** Why nothing could be judged: the collector, or how the kit is set up. */
export class TrackingError extends Error {
  override name = "TrackingError";
}

const PATIENCE = 10_000;
const MAX_WAIT = 60_000;

const detailOf = (body: unknown): string => {
  const detail = (body as { detail?: unknown } | null)?.detail;
  return typeof detail == "string" ? detail : JSON.stringify(body);
};

const refusal = (path: string, { status, body }: Reply): TrackingError => {
  const answer = `GET ${path} was answered ${status}: ${detailOf(body)}`;
  if (status == 404) {
    return new TrackingError(`${answer} Is it a collector that was started with --qa?`);
  }
  return new TrackingError(
    status == 401 || status == 403
      ? `${answer} From another machine, a token is needed: THAMESTHRIVE_TOKEN.`
      : answer,
  );
};

function* get<T>(path: string, patience = PATIENCE, ...also: number[]): Procedure<[number, T]> {
  const reply = yield { to: "collector", path, patience };
  if (reply.status != 200 && !also.includes(reply.status)) throw refusal(path, reply);
  return [reply.status, reply.body as T];
}

const routeOf = (run: string, name: string, query: Record<string, unknown> = {}): string => {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  const text = new URLSearchParams(given.map(([key, value]) => [key, String(value)])).toString();
  return `/qa/runs/${encodeURIComponent(run)}/${name}${text && "?" + text}`;
};

const PAGE = 1000;

interface Found {
  events: StoredEvent[];
}

/** The events of a run, oldest first; of one type, if it is given. */
export function* eventsOf(run: string, type?: string): Procedure<StoredEvent[]> {
  const all: StoredEvent[] = [];
  for (;;) {
    const query = { type, limit: PAGE, after: all.at(-1)?.seq };
    const [, { events }] = yield* get<Found>(routeOf(run, "events", query));
    all.push(...events);
    if (events.length < PAGE) return all;
  }
}

export function* rejectedOf(run: string): Procedure<RejectedEvent[]> {
  const [, body] = yield* get<{ rejected: RejectedEvent[] }>(
    routeOf(run, "rejected", { limit: PAGE }),
  );
  return body.rejected;
}

/**
 * Has pages send what waits, and waits until nothing of the run is in flight. After that, what
 * isn't stored won't be, unless a page tracks it later.
 */
export function* settle({ run, idle, timeout }: Look): Procedure<void> {
  yield { to: "pages" };
  const patience = Math.min(Math.max(timeout, 10 * idle), MAX_WAIT);
  const path = routeOf(run, "quiesce", { idle: `${idle}ms`, timeout: `${patience}ms` });
  const [status, body] = yield* get<unknown>(path, patience + PATIENCE, 408);
  if (status == 408) {
    throw new TrackingError(`Run ${run} doesn't come to rest: ${detailOf(body)}`);
  }
}

/**
 * Waits until the run has an event after `seq`, of one type if it is given, and gives all of them:
 * none when time is up.
 */
function* waitForMore(
  run: string,
  deadline: number,
  seq: number | undefined,
  type?: string,
): Procedure<StoredEvent[]> {
  do {
    const rest = Math.min(Math.max(0, deadline - Date.now()), MAX_WAIT);
    const path = routeOf(run, "wait", { type, after: seq, timeout: `${Math.ceil(rest)}ms` });
    const [status, { events }] = yield* get<Found>(path, rest + PATIENCE, 408);
    if (status == 200) return events;
  } while (Date.now() < deadline);
  return [];
}

/**
 * Waits for the expected events, and gives those that are stored then. Where their number must be
 * exact, it is after the run has come to rest.
 */
export function* awaitTracked(look: Look, expectation: Expectation): Procedure<StoredEvent[]> {
  const { type, times } = expectation;
  const wanted = times ?? 1;
  const deadline = Date.now() + look.timeout;
  const found: StoredEvent[] = [];
  let seq: number | undefined;
  yield { to: "pages" };
  while (found.length < wanted) {
    const events = yield* waitForMore(look.run, deadline, seq, type);
    if (!events.length) break;
    seq = events.at(-1)!.seq;
    found.push(...events.filter((event) => matches(expectation, event)));
  }
  return times !== undefined && found.length >= wanted
    ? yield* findTracked(look, expectation)
    : found;
}

/** The events that are as expected once the run has come to rest: none, perhaps. */
export function* findTracked(look: Look, expectation: Expectation): Procedure<StoredEvent[]> {
  yield* settle(look);
  const events = yield* eventsOf(look.run, expectation.type);
  return events.filter((event) => matches(expectation, event));
}

/** How many of the expected events come one after the other; others may be between them. */
export const inOrder = (expected: Expectation[], events: StoredEvent[]): number => {
  let count = 0;
  for (const event of events) {
    const next = expected[count];
    if (next && matches(next, event)) count++;
  }
  return count;
};

/** Waits until the expected events are there in their order. Gives how many of them are. */
export function* awaitInOrder(look: Look, expected: Expectation[]): Procedure<number> {
  const deadline = Date.now() + look.timeout;
  yield { to: "pages" };
  const events: StoredEvent[] = [];
  for (;;) {
    const more = yield* waitForMore(look.run, deadline, events.at(-1)?.seq);
    events.push(...more);
    const count = inOrder(expected, events);
    if (count == expected.length || !more.length) return count;
  }
}

/** Looks for the rejected event each time that the run has come to rest, until time is up. */
export function* awaitRejected(
  look: Look,
  isExpected: (event: RejectedEvent) => boolean,
): Procedure<RejectedEvent[]> {
  const deadline = Date.now() + look.timeout;
  for (;;) {
    yield* settle(look);
    const found = (yield* rejectedOf(look.run)).filter(isExpected);
    if (found.length || Date.now() >= deadline) return found;
  }
}

/**
 * All that the collector has of a run, and what it has received of `session` outside of it since
 * `since`, an ISO time.
 */
export function* gather(run: string, since: string, session?: string): Procedure<RunFacts> {
  const events = yield* eventsOf(run);
  const rejected = yield* rejectedOf(run);
  const [, { requests }] = yield* get<{ requests: JournalRequest[] }>(routeOf(run, "journal"));
  let elsewhere: StoredEvent[] = [];
  if (session) {
    const path = `/qa/events?${new URLSearchParams({ session_id: session })}`;
    const [, found] = yield* get<Found>(path);
    // Of a browser that keeps its cookies, earlier tests have events as well.
    elsewhere = found.events.filter((event) => event.run != run && event.received_at >= since);
  }
  return { events, rejected, requests, elsewhere };
}
