/**
 * The entry of `debug.min.js`: shows what the tracker does, in the console (`settings.debug`) and
 * on the page (`#thamesthrive-debug`). It is loaded on demand, so it may be long. It watches from
 * outside and changes nothing.
 */
import { apiOf } from "./config";
import { QUEUE_KEY } from "./storage-keys";
import type { Answer, Tracker, TrackerOptions, TrackResult } from "./types";

const script = document.currentScript as HTMLScriptElement & {
  given: { config: TrackerOptions; tracker: Tracker };
};
const { config, tracker } = script.given;
const endpoint = apiOf(config) + "/track";
const showsPanel = /#thamesthrive-debug/.test(location.href);

interface Step {
  /** What happened, e.g. "track". */
  what: string;
  text: string;
  good?: boolean;
}

/** How many events wait in storage, and the milliseconds until the next attempt. */
const readQueue = (): [count: number, rest: number] => {
  try {
    const until = +(localStorage[QUEUE_KEY] || "0").split(" ")[0];
    const waiting = Object.keys(localStorage).filter((key) => key.startsWith(QUEUE_KEY + "."));
    return [waiting.length, until - Date.now()];
  } catch {
    return [0, 0]; // Where storage is refused, nothing is known.
  }
};

let steps: HTMLElement | undefined;
let status: HTMLElement | undefined;

const createElement = (tag: string, text = "", style = ""): HTMLElement => {
  const element = document.createElement(tag);
  element.textContent = text;
  element.style.cssText = style;
  return element;
};

const PANEL_STYLE = [
  "box-sizing:border-box;position:fixed;right:8px;bottom:8px;z-index:2147483647",
  "width:min(420px,calc(100vw - 16px));max-height:45vh;overflow:auto;padding:8px 12px",
  "font:13px/1.5 system-ui,sans-serif;color:#1b1b1b",
  "background:#fff;border:2px solid #1b1b1b;border-radius:6px",
].join(";");

const showPanel = (): void => {
  const host = createElement("div");
  const panel = createElement("section", "", PANEL_STYLE);
  panel.setAttribute("role", "log");
  panel.setAttribute("aria-label", "ThamesThrive debug");
  panel.tabIndex = 0;
  const close = createElement("button", "Close", "float:right;font:inherit");
  close.onclick = () => host.remove();
  status = createElement("p", "", "margin:0 0 4px");
  steps = createElement("ol", "", "margin:0;padding-left:24px;overflow-wrap:anywhere");
  panel.append(close, createElement("strong", "ThamesThrive"), status, steps);
  // A shadow tree keeps the page's styles and the panel's apart.
  host.attachShadow({ mode: "open" }).append(panel);
  document.body.append(host);
};

const refreshStatus = (): void => {
  if (!status) return;
  const [count, rest] = readQueue();
  const pause = rest > 0 ? ` Next attempt in ${Math.ceil(rest / 1e3)} s.` : "";
  status.textContent = `Source ${config.source!.id}. Waiting: ${count}.${pause}`;
};

const report = ({ what, text, good }: Step): void => {
  if (config.settings?.debug) console.log("[ThamesThrive]", what, text);
  if (steps) {
    const color = good ? "#0a5d1f" : "#a30000";
    const item = createElement("li", "", good == undefined ? "" : `color:${color}`);
    item.append(createElement("strong", what), " " + text);
    steps.append(item);
  }
  refreshStatus();
};

/** What to do about a request that was refused for its source or the page's origin. */
const cureOf = (status: number): string => {
  if (status == 401) return " See `thamesthrive source list`.";
  const show = `\`thamesthrive source show ${config.source!.id}\``;
  return status == 403 ? ` This page is of ${location.origin}; ${show} lists what is allowed.` : "";
};

const reportResponse = async (response: Response): Promise<void> => {
  const { status, ok } = response;
  const text = await response.clone().text();
  report({ what: `answer ${status}`, text: text.slice(0, 300) + cureOf(status), good: ok });
  let errors: Answer["errors"] = [];
  try {
    errors = (JSON.parse(text) as Answer).errors || [];
  } catch {
    // Somebody else's HTML, which has been shown as it is.
  }
  for (const { reason, detail = "" } of errors) report({ what: reason, text: detail, good: false });
};

const reportResult = (type: string, result: TrackResult): void => {
  const { id, stored } = result;
  if (result.stored) {
    const what = result.duplicate ? "duplicate" : "stored";
    report({ what, text: `${type} ${id}`, good: stored });
  } else {
    const { reason, detail = "" } = result;
    report({ what: reason, text: `${type} ${id} ${detail}`, good: stored });
  }
};

const reportState = (): void => {
  const { sessionId, profileId } = tracker;
  const parts = [
    "tracker",
    `session ${sessionId}`,
    `profile ${profileId || "none yet"}`,
    `${readQueue()[0]} waiting`,
  ];
  report({ what: "ready", text: parts.join(", ") });
};

/** Finds the mistake of calling the tracker above the snippet. */
const checkOrder = (): void => {
  const scripts = [...document.scripts];
  const snippet = scripts.findIndex(
    ({ text, dataset }) => dataset["source"] || /onThamesThriveReady/.test(text),
  );
  const before = scripts.slice(0, Math.max(0, snippet));
  if (before.some(({ text }) => /\btracker\.track\(/.test(text))) {
    const text =
      "A script before the snippet calls tracker.track, where there is no tracker yet: " +
      "paste the snippet first.";
    report({ what: "order", text, good: false });
  }
};

const watchTrack = (): void => {
  const { track } = tracker;
  tracker.track = (type, properties, options) => {
    report({ what: "track", text: `${type} ${JSON.stringify(properties || {})}` });
    const result = track(type, properties, options);
    void result.then((settled) => reportResult(type, settled));
    return result;
  };
};

const watchFetch = (): void => {
  const { fetch } = window;
  window.fetch = (input, init) => {
    if (input != endpoint) return fetch(input, init);
    const { events } = JSON.parse(init!.body as string) as { events: { type: string }[] };
    report({ what: "send", text: events.map(({ type }) => type).join(", ") });
    const response = fetch(input, init);
    void response.then(reportResponse).catch((error) => {
      const text = `${error}: the events stay, and go again`;
      report({ what: "no answer", text, good: false });
    });
    return response;
  };
};

const start = (): void => {
  if (showsPanel) showPanel();
  reportState();
  checkOrder();
  watchTrack();
  watchFetch();
  if (showsPanel) setInterval(refreshStatus, 1000);
};

if (document.body) start();
else addEventListener("DOMContentLoaded", start);
