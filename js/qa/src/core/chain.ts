/**
 * The way of an event from the page's script to its row, and the first link of it that is broken.
 * In the words of the pytest plugin (collector/testing/chain.py).
 */
import { matches, nearestMiss } from "./match";
import { didYouMean, show, times } from "./text";
import type { BrowserFacts, Expectation, PageState, RunFacts, TrackedCall } from "./types";

/** What broke, in the order of an event's way. */
export type Link =
  | "nothing was opened or sent"
  | "tracker not loaded"
  | "not called"
  | "held"
  | "blocked"
  | "not answered"
  | "refused"
  | "rejected"
  | "stored under another name"
  | "stored under another run"
  | "stored, but different"
  | "stored too often";

export interface BrokenLink {
  link: Link;
  /** What is known of it. */
  why: string;
}

type Rule = (
  expectation: Expectation,
  run: RunFacts,
  browser: BrowserFacts | undefined,
) => BrokenLink | undefined;

const callsOf = ({ type }: Expectation, browser: BrowserFacts | undefined): TrackedCall[] =>
  (browser?.calls ?? []).filter((call) => call.type == type);

const countOf = (expectation: Expectation, { events }: RunFacts): number =>
  events.filter((event) => matches(expectation, event)).length;

const tooOften: Rule = (expectation, run) => {
  const found = countOf(expectation, run);
  const wanted = expectation.times ?? Infinity;
  if (found <= wanted) return undefined;
  return { link: "stored too often", why: `${times(found)}, not ${times(wanted)}` };
};

const different: Rule = (expectation, { events }) =>
  nearestMiss(expectation, events) && {
    link: "stored, but different",
    why: `${expectation.type} was stored, with other values: see the nearest miss`,
  };

/** A rejected event in a line: type, reason, pointer, detail. */
export const rejectionOf = (event: RunFacts["rejected"][number]): string => {
  const { type, reason, pointer } = event;
  const detail = event.detail ?? "";
  const at = pointer && !detail.startsWith(pointer) ? `${pointer}: ` : "";
  return `${type ?? "an event"}: ${reason}, ${at}${detail}`;
};

const rejected: Rule = ({ type }, run) => {
  const event = run.rejected.find((candidate) => candidate.type == type);
  return event && { link: "rejected", why: rejectionOf(event) };
};

const refused: Rule = ({ type }, { requests }) => {
  // Of a request that was refused before it was read, nobody knows what it carried.
  const request = requests.find(
    ({ status, events }) =>
      status >= 400 && (!events.length || events.some((event) => event.type == type)),
  );
  if (!request) return undefined;
  const { status, reason, method, route, source_id, origin } = request;
  const source = source_id ? ` for source ${source_id}` : "";
  const from = origin ? ` from ${origin}` : "";
  return { link: "refused", why: `${status} ${reason ?? ""}, ${method} ${route}${source}${from}` };
};

const otherRun: Rule = ({ type }, run) => {
  const event = run.elsewhere.find((candidate) => candidate.type == type);
  if (!event) return undefined;
  const where = event.run ? `run ${event.run}` : "no run";
  return {
    link: "stored under another run",
    why: `${type} belongs to ${where}: data-qa-run and qa.run of a page come before the test's`,
  };
};

const otherName: Rule = (expectation, run, browser) => {
  const { type } = expectation;
  if (callsOf(expectation, browser).length) return undefined;
  const names = run.events.map((event) => event.type);
  const near = names.includes(type) ? undefined : didYouMean(type, names);
  return near === undefined
    ? undefined
    : { link: "stored under another name", why: `did you mean ${show(near)}?` };
};

const held: Rule = (expectation, { requests }, browser) => {
  if (!browser) return undefined;
  const { type } = expectation;
  const asking = browser.pages.find(({ doNotTrack }) => doNotTrack);
  if (asking) {
    const why = "the browser asks not to be tracked, and settings.respectDoNotTrack is on";
    return { link: "held", why };
  }
  const calls = callsOf(expectation, browser);
  if (calls.some(({ result }) => result?.stored === false && result.detail == "denied")) {
    return { link: "held", why: `consent was denied when ${type} was tracked` };
  }
  const sent = requests.length || browser.sent.length;
  const page = browser.pages.find(({ consent }) => consent == "pending" || consent == "denied");
  if (!page || !calls.length || sent) return undefined;
  const setting = `settings.consent is ${show(page.consent)} on ${page.url}`;
  return { link: "held", why: `${setting}, and nobody has called tracker.consent("granted")` };
};

const notLoaded: Rule = (_, run, browser) => {
  if (!browser || run.requests.length || browser.sent.length) return undefined;
  const { pages, blocked, calls } = browser;
  const [page] = pages;
  if (!page) {
    const why = "no page is open in the browser that the test is bound to";
    return calls.length ? undefined : { link: "nothing was opened or sent", why };
  }
  if (pages.some(({ tracker }) => tracker == "loaded")) return undefined;
  return { link: "tracker not loaded", why: whyNotLoaded(page, blocked) };
};

const whyNotLoaded = ({ url, tracker }: PageState, blocked: BrowserFacts["blocked"]): string => {
  if (blocked[0]) return `${blocked[0].url} was stopped by ${blocked[0].why}`;
  return tracker == "missing"
    ? `nothing has set window.tracker on ${url}: is the snippet in the page?`
    : `window.tracker of ${url} collects calls, but the bundle hasn't started`;
};

const blocked: Rule = (expectation, { requests }, browser) => {
  if (!browser) return undefined;
  const { type } = expectation;
  if (requests.some(({ events }) => events.some((event) => event.type == type))) return undefined;
  const failed = browser.sent.find(({ types, failure }) => failure && types.includes(type));
  const policy = browser.blocked.find(({ url }) => !failed || failed.url.startsWith(url));
  const unsettled = callsOf(expectation, browser).some(({ result }) => !result);
  if (unsettled && policy) {
    return { link: "blocked", why: `${policy.url} was stopped by ${policy.why}` };
  }
  return failed && { link: "blocked", why: `${failed.url}: ${failed.failure}` };
};

const notAnswered: Rule = (expectation, run, browser) =>
  callsOf(expectation, browser).length > countOf(expectation, run)
    ? {
        link: "not answered",
        why: `${expectation.type} was tracked, and nothing has come of it in time`,
      }
    : undefined;

const notCalled: Rule = (expectation, run, browser) => {
  const { type } = expectation;
  const { requests } = run;
  const found = countOf(expectation, run);
  if (found) return { link: "not called", why: `${type} was tracked ${times(found)} only` };
  if (!browser) {
    return requests.length
      ? { link: "not called", why: `no request carried ${type}` }
      : {
          link: "nothing was opened or sent",
          why: "no request of this run has reached the collector: send tracking.headers with each",
        };
  }
  const calls = [...new Set(browser.calls.map((call) => call.type))].join(", ") || "nothing";
  return {
    link: "not called",
    why: `the tracker was given ${calls}, but never ${type}`,
  };
};

/** A trace of the event further down proves that the links before it held. */
const RULES: Rule[] = [
  tooOften,
  different,
  rejected,
  otherRun,
  otherName,
  held,
  notLoaded,
  refused,
  blocked,
  notAnswered,
];

/** Finds the first broken link. Without a browser's facts, what pages did isn't known. */
export const firstBrokenLink = (
  expectation: Expectation,
  run: RunFacts,
  browser?: BrowserFacts,
): BrokenLink => {
  for (const rule of RULES) {
    const broken = rule(expectation, run, browser);
    if (broken) return broken;
  }
  return notCalled(expectation, run, browser)!;
};
