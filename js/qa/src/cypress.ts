/**
 * Commands for Cypress. `import "@thamesthrive/qa/cypress"` in the support file gives each test its
 * own run.
 */
import { missingMessage, runMessage, unexpectedMessage } from "./core/message";
import { lookAtPage, watchPage } from "./core/page";
import {
  type Ask,
  awaitTracked,
  findTracked,
  gather,
  type Look,
  type Procedure,
  rejectedOf,
  type Reply,
  settle,
} from "./core/procedures";
import { COLLECTOR, runOf, showCommand } from "./core/run";
import { Seen } from "./core/seen";
import type {
  BrowserFacts,
  Expectation,
  Json,
  RejectedEvent,
  RunFacts,
  StoredEvent,
} from "./core/types";

export interface TrackedOptions {
  /** Exactly how many such events there must be, 1 at least. @default one or more */
  times?: number;
  /** What the context of the event must contain. */
  context?: Json;
  /** Milliseconds that the event may take. @default defaultCommandTimeout */
  timeout?: number;
}

declare global {
  // eslint-disable-next-line
  namespace Cypress {
    interface Chainable<Subject = any> {
      /** Waits until such an event of this test is stored, and yields the first one. */
      tracked(type: string, properties?: Json, options?: TrackedOptions): Chainable<StoredEvent>;
      /** Waits until nothing of this test is in flight, and fails if there is such an event. */
      notTracked(
        type: string,
        properties?: Json,
        options?: Pick<TrackedOptions, "context" | "timeout">,
      ): Chainable<undefined>;
      /** Fails if the collector has rejected an event of this test. */
      noneRejected(): Chainable<undefined>;
      /** Yields this test's run, for the header X-ThamesThrive-Run of requests from elsewhere. */
      trackingRun(): Chainable<string>;
    }
  }
}

type Chain<T> = Cypress.Chainable<T>;

const QUIET = { log: false };
/** How long a page may take to send what it has. Milliseconds. */
const FLUSH_PATIENCE = 1000;

let run = "";
let since = "";
let seen = new Seen();

const setting = (name: string, otherwise: string): string =>
  String((Cypress.env(name) as unknown) ?? otherwise);

const collector = (): string => setting("trackingCollector", COLLECTOR).replace(/\/*$/, "");
const again = (): string => showCommand(run, collector());

const flushed = (page: { tracker?: { flush?: () => Promise<void> } }): Promise<void> =>
  Promise.race([
    // The page's promise, which Cypress' own may not be mixed with.
    Promise.resolve(page.tracker?.flush?.()),
    new Promise<void>((resolve) => setTimeout(resolve, FLUSH_PATIENCE)),
  ]);

const answer = (ask: Ask): Chain<Reply> => {
  if (ask.to == "pages") {
    return cy
      .window(QUIET)
      .then((page) => flushed(page as object))
      .then((): Reply => ({ status: 200, body: null }));
  }
  const token = setting("trackingToken", "");
  const url = collector() + ask.path;
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  return cy
    .request<unknown>({ url, headers, failOnStatusCode: false, timeout: ask.patience, ...QUIET })
    .then(({ status, body }): Reply => ({ status, body }));
};

/** Does what a procedure asks, and yields its result. */
const perform = <T>(procedure: Procedure<T>): Chain<T> => {
  const proceed = (step: IteratorResult<Ask, T>): Chain<T> =>
    step.done
      ? cy.wrap(step.value, QUIET)
      : answer(step.value).then((reply) => proceed(procedure.next(reply)));
  return proceed(procedure.next());
};

const lookFor = (timeout?: number): Look => ({
  run,
  timeout: timeout ?? Cypress.config("defaultCommandTimeout"),
  idle: Number(setting("trackingIdle", "300")),
});

/** Fails the test with a message about all that is known of its run. */
const fail = <T>(message: (facts: RunFacts, browser: BrowserFacts) => string): Chain<T> =>
  cy.getCookie("thamesthrive-session-id", QUIET).then((cookie) =>
    perform(gather(run, since, cookie?.value)).then((facts) =>
      cy.window(QUIET).then((page): Chain<T> => {
        const pages = [lookAtPage(page as Window)].filter(({ url }) => !url.startsWith("about:"));
        const { calls, blocked } = seen;
        throw new Error(message(facts, { pages, calls, blocked, sent: [], console: [] }));
      }),
    ),
  );

const tracked = (
  type: string,
  properties: Json = {},
  { times, context, timeout }: TrackedOptions = {},
): Chain<StoredEvent> => {
  const expectation: Expectation = { type, properties, context, times };
  return perform(awaitTracked(lookFor(timeout), expectation)).then((found) => {
    const pass = times === undefined ? found.length > 0 : found.length == times;
    return pass
      ? cy.wrap(found[0]!, QUIET)
      : fail<StoredEvent>((...facts) =>
          missingMessage(again(), expectation, found.length, ...facts),
        );
  });
};

const notTracked = (
  type: string,
  properties: Json = {},
  { context, timeout }: TrackedOptions = {},
): Chain<undefined> => {
  const expectation: Expectation = { type, properties, context };
  return perform(findTracked(lookFor(timeout), expectation)).then((found) =>
    found.length
      ? fail<undefined>((...facts) => unexpectedMessage(again(), expectation, found, ...facts))
      : cy.wrap(undefined, QUIET),
  );
};

function* rejectedAtRest(look: Look): Procedure<RejectedEvent[]> {
  yield* settle(look);
  return yield* rejectedOf(look.run);
}

const noneRejected = (): Chain<undefined> =>
  perform(rejectedAtRest(lookFor())).then((found) =>
    found.length
      ? fail<undefined>((...facts) => runMessage(again(), "Expected no rejected events.", ...facts))
      : cy.wrap(undefined, QUIET),
  );

beforeEach(() => {
  run = runOf(Cypress.currentTest.title);
  since = new Date().toISOString();
  seen = new Seen();
});
Cypress.on("window:before:load", (page) =>
  watchPage(page as Window, run, (fact) => seen.keep(fact)),
);
Cypress.Commands.add("tracked", tracked);
Cypress.Commands.add("notTracked", notTracked);
Cypress.Commands.add("noneRejected", noneRejected);
Cypress.Commands.add("trackingRun", () => cy.wrap(run, QUIET));
