/** The tracking of one test: its run, the collector, and the browser contexts that belong to it. */
import type { BrowserContext, Page } from "@playwright/test";
import { runMessage } from "../core/message";
import {
  type Ask,
  eventsOf,
  gather,
  type Look,
  type Procedure,
  rejectedOf,
  type Reply,
  settle,
  TrackingError,
} from "../core/procedures";
import { showCommand } from "../core/run";
import type { BrowserFacts, RejectedEvent, RunFacts, StoredEvent } from "../core/types";
import { BrowserWatch } from "./browser";

export interface TrackingOptions {
  /** The address of a collector that was started with `--qa`. */
  collector: string;
  /** A token of its management API, for a collector on another machine. */
  token?: string | undefined;
  /** Milliseconds without a request of the run after which "there is none" counts. */
  idle: number;
}

const owners = new WeakMap<BrowserContext, Tracking>();

const textOf = (event: RejectedEvent): string => JSON.stringify(event);

export class Tracking {
  /** Tells this test's events from all others. A header of requests from servers: see `headers`. */
  readonly run: string;
  /** Add them to requests with which a server, or a test itself, sends events to the collector. */
  readonly headers: Readonly<Record<string, string>>;
  /** Shows the run in a terminal. */
  readonly showCommand: string;
  readonly #options: TrackingOptions;
  readonly #since = new Date().toISOString();
  readonly #watches = new Map<BrowserContext, BrowserWatch>();
  readonly #expectedRejected = new Set<string>();
  #rejectedAllowed = false;

  constructor(run: string, options: TrackingOptions) {
    this.run = run;
    this.headers = { "X-ThamesThrive-Run": run };
    const collector = options.collector.replace(/\/*$/, "");
    this.#options = { ...options, collector };
    this.showCommand = showCommand(run, collector);
  }

  /** Makes the pages that a context opens from now on part of the run. */
  async attach(context: BrowserContext): Promise<void> {
    if (this.#watches.has(context)) return;
    const watch = new BrowserWatch(context);
    this.#watches.set(context, watch);
    owners.set(context, this);
    await watch.start(this.run);
  }

  /** The stored events of the run, oldest first; of one type, if it is given. */
  async events(type?: string): Promise<StoredEvent[]> {
    return this.perform(eventsOf(this.run, type));
  }

  /** The rejected events of the run, oldest first. */
  async rejected(): Promise<RejectedEvent[]> {
    return this.perform(rejectedOf(this.run));
  }

  /** Waits until pages have sent what they had, and nothing of the run is in flight. */
  async settled(): Promise<void> {
    await this.perform(settle(this.look()));
  }

  /** Leaves the pages of a context: what they still had is part of the run, too. */
  async leave(context: BrowserContext): Promise<void> {
    await this.#watches.get(context)?.leave();
  }

  /** What a procedure is to look at. `timeout`: milliseconds. */
  look(timeout = 5000): Look {
    return { run: this.run, timeout, idle: this.#options.idle };
  }

  /** Does what a procedure asks, and gives its result. */
  async perform<T>(procedure: Procedure<T>): Promise<T> {
    let step = procedure.next();
    while (!step.done) step = procedure.next(await this.#answer(step.value));
    return step.value;
  }

  /** All that is known of the run. The browser's part is undefined if there is none. */
  async facts(): Promise<[RunFacts, BrowserFacts | undefined]> {
    const watches = [...this.#watches.values()];
    const [first] = watches;
    const session = await first?.session();
    const run = await this.perform(gather(this.run, this.#since, session));
    if (!first) return [run, undefined];
    const seen = await Promise.all(watches.map((watch) => watch.facts()));
    return [
      run,
      {
        pages: seen.flatMap(({ pages }) => pages),
        calls: seen.flatMap(({ calls }) => calls),
        sent: seen.flatMap(({ sent }) => sent),
        blocked: seen.flatMap(({ blocked }) => blocked),
        console: seen.flatMap(({ console }) => console),
      },
    ];
  }

  /** Rejected events and refused requests of this test are no failure. */
  allowRejected(): void {
    this.#rejectedAllowed = true;
  }

  /** Marks rejected events as what the test wanted. */
  expectRejected(events: RejectedEvent[]): void {
    events.forEach((event) => this.#expectedRejected.add(textOf(event)));
  }

  /**
   * Fails if an event was rejected that no `toHaveRejected` has found, or a request was refused,
   * unless that is allowed.
   */
  async judge(): Promise<void> {
    if (this.#rejectedAllowed) return;
    await this.settled();
    const [facts, browser] = await this.facts();
    const claim = this.#complaint(facts);
    if (claim) throw new Error(runMessage(this.showCommand, claim, facts, browser));
  }

  #complaint({ rejected, requests }: RunFacts): string | undefined {
    if (rejected.some((event) => !this.#expectedRejected.has(textOf(event)))) {
      const cure = "Expect them (toHaveRejected), or allow it: tracking.allowRejected().";
      return `Events were rejected. ${cure}`;
    }
    return requests.some(({ status }) => status >= 400)
      ? "Requests were refused. If that is right, allow it: tracking.allowRejected()."
      : undefined;
  }

  async #answer(ask: Ask): Promise<Reply> {
    if (ask.to == "pages") {
      await Promise.all([...this.#watches.values()].map((watch) => watch.flush()));
      return { status: 200, body: null };
    }
    const { collector, token } = this.#options;
    const headers: Record<string, string> = token ? { Authorization: `Bearer ${token}` } : {};
    try {
      const signal = AbortSignal.timeout(ask.patience);
      const response = await fetch(collector + ask.path, { headers, signal });
      return { status: response.status, body: (await response.json()) as unknown };
    } catch (error) {
      // What has failed is in the cause of what `fetch` says.
      const why = String((error as Error).cause ?? error);
      throw new TrackingError(
        `${collector} doesn't answer (${why}). Start it: thamesthrive serve --qa`,
        { cause: error },
      );
    }
  }
}

/** What matchers are called with. */
export type Tracked = Page | BrowserContext | Tracking;

/** The tracking that a page or a context belongs to. */
export const trackingOf = (tracked: Tracked): Tracking => {
  if (tracked instanceof Tracking) return tracked;
  const context = "context" in tracked ? tracked.context() : tracked;
  const owner = owners.get(context);
  if (!owner) {
    throw new TrackingError(
      "This page is of a context that isn't tracked. Use `test` of @thamesthrive/qa/playwright," +
        " and `await tracking.attach(context)` for contexts that the test makes itself.",
    );
  }
  return owner;
};
