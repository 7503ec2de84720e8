/** What a failed expectation says. */
import { firstBrokenLink, rejectionOf } from "./chain";
import { nearestMiss, type NearestMiss } from "./match";
import { show, times } from "./text";
import type { BrowserFacts, Expectation, RunFacts, StoredEvent } from "./types";

const MAX_LINES = 10;

/** A heading with a line for each, or nothing. */
const section = (heading: string, lines: string[]): string[] => {
  if (!lines.length) return [];
  const more = lines.length - MAX_LINES;
  const rest = more > 0 ? [`  … and ${more} more`] : [];
  return [
    `${heading} (${lines.length}):`,
    ...lines.slice(0, MAX_LINES).map((line) => `  ${line}`),
    ...rest,
  ];
};

/** The expected event in words: `"purchase-order" with properties {"price":13.45}`. */
export const nameOf = ({ type, properties, context }: Expectation): string => {
  const parts = [
    properties && Object.keys(properties).length && `properties ${show(properties)}`,
    context && `context ${show(context)}`,
  ].filter(Boolean);
  return show(type) + (parts.length ? ` with ${parts.join(" and ")}` : "");
};

const eventLine = ({ type, properties }: StoredEvent): string => `${type} ${show(properties)}`;

const nearestLines = (nearest: NearestMiss | undefined): string[] =>
  nearest
    ? [
        `Nearest miss: ${nearest.event.type} ${nearest.event.id}`,
        ...nearest.differences.map(({ path, expected, actual }) => {
          const found = actual === undefined ? "is missing" : `stored ${show(actual)}`;
          return `  ${path}: expected ${show(expected)}, ${found}`;
        }),
      ]
    : [];

const list = (values: string[]): string => [...new Set(values)].join(", ");

const stateOf = ({ pages }: BrowserFacts): string =>
  list(pages.map(({ tracker, url }) => `${tracker} on ${url}`)) || "no page is open";

/** The browser's side of it. */
const browserLines = (browser: BrowserFacts): string[] => {
  const { calls, sent, blocked, console } = browser;
  const failed = sent.filter(({ failure }) => failure);
  const answers = sent.map(({ types, status, failure }) => {
    return `${types.join(", ")}: ${status ?? failure ?? "no answer yet"}`;
  });
  return [
    "Browser:",
    `  tracker: ${stateOf(browser)}`,
    `  tracked: ${list(calls.map(({ type }) => type)) || "nothing that was seen"}`,
    // Browsers say nothing of requests that are made while a page is left.
    `  sent: ${answers.join("; ") || "nothing that the browser has reported"}`,
    ...new Set([
      ...failed.map(({ url, failure }) => `  blocked: ${url} (${failure})`),
      ...blocked.map(({ url, why }) => `  blocked: ${url} (${why})`),
      ...console.map((text) => `  console: ${text}`),
    ]),
  ];
};

/** What the collector and the browser have of the run, whatever was expected. */
const situation = (facts: RunFacts, browser?: BrowserFacts): string[] => [
  ...(facts.events.length
    ? section("Stored", facts.events.map(eventLine))
    : ["Stored (0): nothing"]),
  ...section("Rejected", facts.rejected.map(rejectionOf)),
  ...section(
    "Refused",
    facts.requests
      .filter(({ status }) => status >= 400)
      .map(({ status, reason, events }) => {
        const types = list(events.map(({ type }) => type ?? "?")) || "events that were not read";
        return `${status} ${reason ?? ""}: ${types}`;
      }),
  ),
  ...(browser ? browserLines(browser) : []),
];

const paragraphs = (...parts: string[][]): string =>
  parts
    .filter((part) => part.length)
    .map((part) => part.join("\n"))
    .join("\n\n");

/**
 * Says that an expected event isn't there, or not so often. `again`: the command that shows
 * the run. `found`: how many there are.
 */
export const missingMessage = (
  again: string,
  expectation: Expectation,
  found: number,
  facts: RunFacts,
  browser?: BrowserFacts,
): string => {
  const wanted = expectation.times === undefined ? "" : ` ${times(expectation.times)}`;
  const stored = found ? `stored ${times(found)}` : "not stored";
  const broken = firstBrokenLink(expectation, facts, browser);
  return paragraphs(
    [`Expected ${nameOf(expectation)} to be stored${wanted}; it was ${stored}.`],
    [`First broken link: ${broken.link}`, `  ${broken.why}`],
    found ? [] : nearestLines(nearestMiss(expectation, facts.events)),
    situation(facts, browser),
    [`See it again: ${again}`],
  );
};

/** Says that an event is there that shouldn't be. */
export const unexpectedMessage = (
  again: string,
  expectation: Expectation,
  found: StoredEvent[],
  facts: RunFacts,
  browser?: BrowserFacts,
): string =>
  paragraphs(
    [`Expected no ${nameOf(expectation)}; it was stored ${times(found.length)}.`],
    section("Unexpected", found.map(eventLine)),
    situation(facts, browser),
    [`See it again: ${again}`],
  );

/** Says how far events came in the expected order. */
export const orderMessage = (
  again: string,
  expected: Expectation[],
  count: number,
  facts: RunFacts,
  browser?: BrowserFacts,
): string => {
  const missing = expected[count]!;
  const after = count ? ` after ${nameOf(expected[count - 1]!)}` : "";
  return paragraphs(
    [
      `Expected ${expected.length} events in order; ${count} of them were stored so.`,
      `There is no ${nameOf(missing)}${after}.`,
    ],
    nearestLines(nearestMiss(missing, facts.events)),
    situation(facts, browser),
    [`See it again: ${again}`],
  );
};

/** Says anything else about a run: `claim` is the first line. */
export const runMessage = (
  again: string,
  claim: string,
  facts: RunFacts,
  browser?: BrowserFacts,
): string => paragraphs([claim], situation(facts, browser), [`See it again: ${again}`]);
