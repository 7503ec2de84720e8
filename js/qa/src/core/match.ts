/** Compares a stored event with the expected one. */
import type { Expectation, Json, StoredEvent } from "./types";

/**
 * A field that isn't as expected; `path` is as in `properties.items[0].id`. `actual` is undefined
 * where there is nothing.
 */
export interface Difference {
  path: string;
  expected: unknown;
  actual: unknown;
}

type Accepts = (value: unknown) => boolean;

/**
 * What decides about a value in place of equality: the matchers of Jest and Playwright
 * (`expect.any(Number)`), those of Sinon, regular expressions, and functions.
 */
const matcherOf = (expected: unknown): Accepts | undefined => {
  if (expected instanceof RegExp) {
    return (value) => typeof value == "string" && value.search(expected) >= 0;
  }
  if (typeof expected == "function") return (value) => Boolean((expected as Accepts)(value));
  const matcher = expected as { asymmetricMatch?: Accepts; test?: Accepts } | null | undefined;
  if (typeof matcher?.asymmetricMatch == "function") {
    return (value) => matcher.asymmetricMatch!(value);
  }
  return typeof matcher?.test == "function" ? (value) => matcher.test!(value) : undefined;
};

const isObject = (value: unknown): value is Json =>
  typeof value == "object" && value !== null && !Array.isArray(value);

/**
 * What of `expected` isn't in `actual`. Objects may have more than is expected, lists must be as
 * long; a key whose expected value is undefined must be missing.
 */
export const differences = (expected: unknown, actual: unknown, path: string): Difference[] => {
  const difference = [{ path, expected, actual }];
  const accepts = matcherOf(expected);
  if (accepts) return accepts(actual) ? [] : difference;
  if (isObject(expected) && isObject(actual)) {
    return Object.entries(expected).flatMap(([key, value]) =>
      differences(value, actual[key], `${path}.${key}`),
    );
  }
  if (Array.isArray(expected) && Array.isArray(actual) && expected.length == actual.length) {
    return expected.flatMap((value, index) =>
      differences(value, actual[index], `${path}[${index}]`),
    );
  }
  return expected === actual ? [] : difference;
};

/** What an event of the expected type has otherwise than expected. */
export const misses = ({ properties, context }: Expectation, event: StoredEvent): Difference[] => [
  ...differences(properties ?? {}, event.properties, "properties"),
  ...differences(context ?? {}, event.context, "context"),
];

/** Whether it is the expected event. */
export const matches = (expectation: Expectation, event: StoredEvent): boolean =>
  event.type == expectation.type && !misses(expectation, event).length;

export interface NearestMiss {
  event: StoredEvent;
  differences: Difference[];
}

/** Of the events of the expected type that differ, the one with the fewest differences. */
export const nearestMiss = (
  expectation: Expectation,
  events: StoredEvent[],
): NearestMiss | undefined =>
  events
    .filter(({ type }) => type == expectation.type)
    .map((event) => ({ event, differences: misses(expectation, event) }))
    .filter((miss) => miss.differences.length)
    .sort((one, other) => one.differences.length - other.differences.length)[0];
