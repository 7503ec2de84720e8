/** The matchers of `expect`. Each waits for what must come, and for rest before it says "none". */
import {
  type Expect,
  expect as base,
  type ExpectMatcherState,
  type MatcherReturnType,
} from "@playwright/test";
import { differences } from "../core/match";
import {
  missingMessage,
  nameOf,
  orderMessage,
  runMessage,
  unexpectedMessage,
} from "../core/message";
import {
  awaitInOrder,
  awaitRejected,
  awaitTracked,
  eventsOf,
  findTracked,
  inOrder,
} from "../core/procedures";
import { show } from "../core/text";
import type { Expectation, Json, RejectedEvent } from "../core/types";
import { type Tracked, trackingOf } from "./tracking";

export interface TrackedOptions {
  /** Exactly how many such events there must be. @default one or more */
  times?: number;
  /** What the context of the event must contain. */
  context?: Json;
  /** Milliseconds that the event may take. @default that of `expect` */
  timeout?: number;
}

/** A type, a type with properties, or both with a context. */
export type Step = string | [type: string, properties?: Json] | Expectation;

export interface RejectedOptions {
  /** @default any reason */
  reason?: unknown;
  /** Where in the event, "/properties/price" for one. @default anywhere */
  pointer?: unknown;
  /** A part of the detail, or a matcher. @default any detail */
  detail?: unknown;
  /** Milliseconds that it may take. @default that of `expect` */
  timeout?: number;
}

type Result = Promise<MatcherReturnType>;

const passed = (name: string, pass: boolean, message = ""): MatcherReturnType => ({
  name,
  pass,
  message: () => message,
});

const expectationOf = (step: Step): Expectation => {
  if (typeof step == "string") return { type: step };
  return Array.isArray(step) ? { type: step[0], properties: step[1] } : step;
};

async function toHaveTracked(
  this: ExpectMatcherState,
  tracked: Tracked,
  type: string,
  properties: Json = {},
  { times, context, timeout = this.timeout }: TrackedOptions = {},
): Result {
  const name = "toHaveTracked";
  const tracking = trackingOf(tracked);
  const expectation: Expectation = { type, properties, context, times };
  const look = tracking.look(timeout);
  const procedure = this.isNot ? findTracked : awaitTracked;
  const found = await tracking.perform(procedure(look, expectation));
  const pass = times === undefined ? found.length > 0 : found.length == times;
  if (pass != this.isNot) return passed(name, pass);
  const [facts, browser] = await tracking.facts();
  const message = pass
    ? unexpectedMessage(tracking.showCommand, expectation, found, facts, browser)
    : missingMessage(tracking.showCommand, expectation, found.length, facts, browser);
  return passed(name, pass, message);
}

async function toHaveTrackedInOrder(
  this: ExpectMatcherState,
  tracked: Tracked,
  steps: Step[],
  { timeout = this.timeout }: { timeout?: number } = {},
): Result {
  const name = "toHaveTrackedInOrder";
  const tracking = trackingOf(tracked);
  const expected = steps.map(expectationOf);
  const look = tracking.look(timeout);
  if (this.isNot) await tracking.settled();
  const count = this.isNot
    ? inOrder(expected, await tracking.perform(eventsOf(tracking.run)))
    : await tracking.perform(awaitInOrder(look, expected));
  const pass = count == expected.length;
  if (pass != this.isNot) return passed(name, pass);
  const [facts, browser] = await tracking.facts();
  const claim = `Expected these events in another order: ${expected.map(nameOf).join(", ")}.`;
  const message = pass
    ? runMessage(tracking.showCommand, claim, facts, browser)
    : orderMessage(tracking.showCommand, expected, count, facts, browser);
  return passed(name, pass, message);
}

async function toHaveRejected(
  this: ExpectMatcherState,
  tracked: Tracked,
  type: string,
  { reason, pointer, detail, timeout = this.timeout }: RejectedOptions = {},
): Result {
  const name = "toHaveRejected";
  const tracking = trackingOf(tracked);
  const wanted: Json = Object.fromEntries(
    Object.entries({ reason, pointer, detail }).filter(([, value]) => value !== undefined),
  );
  const isExpected = (event: RejectedEvent): boolean =>
    event.type == type && !differences(wanted, event, "").length;
  const look = tracking.look(this.isNot ? 0 : timeout);
  const found = await tracking.perform(awaitRejected(look, isExpected));
  const pass = found.length > 0;
  if (pass && !this.isNot) tracking.expectRejected(found);
  if (pass != this.isNot) return passed(name, pass);
  const [facts, browser] = await tracking.facts();
  const event = `${show(type)}${Object.keys(wanted).length ? ` with ${show(wanted)}` : ""}`;
  const claim = pass
    ? `Expected no ${event} to be rejected; it was.`
    : `Expected ${event} to be rejected; it was not.`;
  return passed(name, pass, runMessage(tracking.showCommand, claim, facts, browser));
}

const matchers = { toHaveTracked, toHaveTrackedInOrder, toHaveRejected };

/** Playwright's `expect` with the matchers of the kit. */
export const expect: Expect<typeof matchers> = base.extend(matchers);
