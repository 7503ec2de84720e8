/**
 * Shows on a test page what was tracked, sent, answered and stored; whether that is what the page
 * declares; and the causes if it is not.
 */
import type { Sent, Watched } from "./test-watch";

interface Expected {
  requests: number;
  console: string | null;
  events: { type: string; properties: object; context: object }[];
}

interface Row {
  id: string;
  type: string;
  properties: object;
  context: Record<string, unknown> & { page?: { path?: string } };
  occurred_at: string;
  received_at: string;
}

const PATIENCE = 20000; // milliseconds until what was expected must be there
const GRACE = 1500; // milliseconds until what was decided is taken for the end
const SILENCE = 3000; // milliseconds until nothing is taken for nothing

const find = (id: string): HTMLElement => document.getElementById(id)!;
const expected = JSON.parse(find("expected").textContent!) as Expected;
const { tracked, sent } = (document.getElementById("watch") as unknown as { watched: Watched })
  .watched;
const verdict = find("verdict");
const table = find("rows");
const body = table.querySelector("tbody")!;
// The two clocks of a browser differ by a little; a reload takes longer.
const opened = new Date(performance.timeOrigin - 20).toISOString();
const begun = Date.now();
const home = location.pathname;
const sessions = new Set<string>(); // a page may become somebody else
const page = window as unknown as {
  tracker?: { sessionId?: string };
  onThamesThriveReady?: {
    bind(callback: (ready: { tracker: { sessionId: string } }) => void): void;
  };
};
page.onThamesThriveReady?.bind(({ tracker }) => sessions.add(tracker.sessionId));

/** Whether a row is of this page, whatever its address is now, and not of another test page. */
const isOurs = ({ occurred_at, context }: Row): boolean => {
  const path = context.page?.path;
  return occurred_at >= opened && (!path || path == home || !path.includes("/pages/"));
};

const items = (id: string, texts: string[], none: string): void => {
  find(`${id}-count`).textContent = String(texts.length);
  const list = find(id);
  // Rewritten only when it differs, so that a screen reader says it once.
  const now = texts.length ? texts : [none];
  if ([...list.children].map((item) => item.textContent).join("\n") == now.join("\n")) return;
  list.replaceChildren(
    ...now.map((text) => Object.assign(document.createElement("li"), { textContent: text })),
  );
};

const describe = ({ types, bytes }: Sent): string =>
  `${types.join(", ") || "no event"} (${bytes} bytes)`;
const answered = ({ status, errors }: Sent): string =>
  status < 0
    ? "no answer"
    : status
      ? [`${status}`, ...errors.map(({ reason, detail }) => `${reason}: ${detail || ""}`)].join(
          ", ",
        )
      : "waiting";

const showSteps = (events: Row[]): void => {
  items(
    "tracked",
    tracked.map(
      ({ type, result }) =>
        type + (result ? (result.stored ? ": stored" : `: ${result.reason}`) : ": no verdict yet"),
    ),
    "Nothing yet.",
  );
  items("sent", sent.map(describe), "Nothing yet.");
  items("answered", sent.filter(({ status }) => status).map(answered), "Nothing yet.");
  items(
    "stored",
    events.map(({ type }) => type),
    "Nothing yet.",
  );
  table.hidden = !events.length;
  body.replaceChildren(
    ...events.map((event) => {
      const row = document.createElement("tr");
      for (const text of [event.type, JSON.stringify(event.properties), event.received_at])
        row.insertCell().textContent = text;
      return row;
    }),
  );
};

/** The order of keys in JSON does not matter. */
const plain = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    part && typeof part == "object" && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort())
      : part,
  );

const holds = (whole: Record<string, unknown>, part: object): boolean =>
  Object.entries(part).every(([key, value]) =>
    value && typeof value == "object" && !Array.isArray(value)
      ? holds((whole[key] || {}) as Record<string, unknown>, value as object)
      : plain(whole[key]) == plain(value),
  );

/** What differs between the rows and what the page declares. */
const differences = (events: Row[]): string[] => {
  const found: string[] = [];
  expected.events.forEach(({ type, properties, context }, n) => {
    const row = events[n];
    const label = `Row ${n + 1}`;
    if (!row) found.push(`${label}: ${type} is missing.`);
    else if (row.type != type) found.push(`${label}: expected ${type}, stored is ${row.type}.`);
    else if (plain(row.properties) != plain(properties)) {
      const wanted = JSON.stringify(properties);
      const stored = JSON.stringify(row.properties);
      found.push(`${label}: ${type} should have the properties ${wanted}, stored are ${stored}.`);
    } else if (!holds(row.context, context)) {
      found.push(`${label}: ${type} lacks the context ${JSON.stringify(context)}.`);
    }
  });
  for (const row of events.slice(expected.events.length)) {
    found.push(`${row.type} was stored, and is not expected.`);
  }
  return found;
};

/** Why something may be missing, as far as this page can see. */
const causes = (): string[] => {
  const found = new Set<string>();
  const explain = (reason: string, detail = ""): string =>
    reason + (detail ? ` (${detail.replace(/\.$/, "")})` : "");
  const isKnown = (reason: string): boolean =>
    tracked.some(({ result }) => result && !result.stored && result.reason == reason);
  for (const { result, type } of tracked) {
    if (result && !result.stored) {
      found.add(`${type} was not stored: ${explain(result.reason, result.detail)}.`);
    }
  }
  for (const { status, errors } of sent) {
    if (status < 0) {
      found.add(
        "A request had no answer: the collector cannot be reached. " +
          "Its events wait in this browser and go again.",
      );
    }
    // What an event already says need not be said of its request.
    for (const { reason, detail } of errors) {
      if (!isKnown(reason)) found.add(`The collector said ${explain(reason, detail)}.`);
    }
  }
  if (!sent.length && tracked.length) {
    found.add(
      "Nothing was sent. Is the address in the snippet that of the collector? " +
        "The browser's console may say more.",
    );
  }
  if (!tracked.length && !sent.length) {
    found.add("Nothing was tracked. Does the browser block scripts of the collector?");
  }
  return [...found];
};

const remember = (state: string): void => {
  try {
    localStorage[`test-page ${home.replace(/.*\//, "")}`] = JSON.stringify({
      state,
      at: new Date().toISOString(),
    });
  } catch {
    // Where storage is refused, the index shows no last result.
  }
};

const say = (text: string, kind = "", reasons: string[] = []): void => {
  const list = document.createElement("ul");
  list.append(
    ...reasons.map((reason) =>
      Object.assign(document.createElement("li"), { textContent: reason }),
    ),
  );
  verdict.replaceChildren(text, ...(reasons.length ? [list] : []));
  verdict.className = `verdict ${kind}`;
  if (kind) remember(kind);
};

const read = async (): Promise<Row[] | null> => {
  const found: Row[] = [];
  for (const session of sessions) {
    const answer = await fetch("/qa/events?session_id=" + encodeURIComponent(session));
    if (!answer.ok) return null;
    found.push(...((await answer.json()) as { events: Row[] }).events);
  }
  return found.filter(isOurs);
};

const look = async (): Promise<void> => {
  if (page.tracker?.sessionId) sessions.add(page.tracker.sessionId);
  let events: Row[] | null = [];
  let reached = true;
  try {
    events = await read();
  } catch {
    reached = false;
  }
  if (!events) {
    showSteps([]);
    return say(
      "This server does not show what is stored. Open the page from `thamesthrive demo`, " +
        "or look with `thamesthrive events list`.",
    );
  }
  showSteps(events);
  const waited = Date.now() - begun;
  const wrong = differences(events);
  const count = events.length;
  if (!reached && waited < PATIENCE)
    say(
      "The collector cannot be reached. Events wait in this browser until it can.",
      "bad",
      causes(),
    );
  else if (count > expected.events.length)
    return say("More was stored than expected.", "bad", wrong);
  else if (!wrong.length && count)
    return say(`As expected: ${count} event${count > 1 ? "s" : ""} stored.`, "good");
  else if (!wrong.length && waited > SILENCE)
    return say("As expected: nothing was stored.", "good");
  else if (waited > PATIENCE) return say("Not what was expected.", "bad", [...wrong, ...causes()]);
  // Everything has a verdict, and not the expected one. If more comes, this changes.
  else if (
    wrong.length &&
    waited > GRACE &&
    tracked.length &&
    tracked.every(({ result }) => result)
  )
    say("Not what was expected.", "bad", [...wrong, ...causes()]);
  setTimeout(() => void look(), 300);
};
void look();
