/**
 * `debug.min.js`: what the tracker does, said in the console (`settings.debug`) and drawn on the page (`#thamesthrive-debug`).
 * Loaded on demand, so it may be long; it looks from outside and changes nothing.
 */
import { apiOf } from "./config";
import { QUEUE } from "./storage-keys";
import type { Answer, TrackerOptions, TrackerWindow, TrackResult } from "./types";

const { config } = (
  document.currentScript as HTMLScriptElement & { given: { config: TrackerOptions } }
).given;
const { tracker } = window as unknown as Required<TrackerWindow>;
const api = apiOf(config) + "/track";
const drawn = /#thamesthrive-debug/.test(location.href);

interface Line {
  /** What happened, e.g. "track". */
  what: string;
  text: string;
  good?: boolean;
}

/** How many events wait in storage, and milliseconds until the next attempt. Where storage is refused nothing is known. */
const waiting = (): [count: number, rest: number] => {
  try {
    const until = +(localStorage[QUEUE] || "0").split(" ")[0];
    return [
      Object.keys(localStorage).filter((key) => key.startsWith(QUEUE + ".")).length,
      until - Date.now(),
    ];
  } catch {
    return [0, 0];
  }
};

let list: HTMLElement | undefined;
let state: HTMLElement | undefined;

const element = (tag: string, text = "", style = ""): HTMLElement => {
  const made = document.createElement(tag);
  made.textContent = text;
  made.style.cssText = style;
  return made;
};

/** Drawn in a shadow tree: the page's styles do not reach it, nor its own the page. */
const draw = (): void => {
  const host = element("div");
  const box = element(
    "section",
    "",
    "box-sizing:border-box;position:fixed;right:8px;bottom:8px;z-index:2147483647;width:min(420px,calc(100vw - 16px));max-height:45vh;overflow:auto;" +
      "font:13px/1.5 system-ui,sans-serif;background:#fff;color:#1b1b1b;border:2px solid #1b1b1b;border-radius:6px;padding:8px 12px",
  );
  box.setAttribute("role", "log");
  box.setAttribute("aria-label", "ThamesThrive debug");
  box.tabIndex = 0;
  const close = element("button", "Close", "float:right;font:inherit");
  close.onclick = () => host.remove();
  state = element("p", "", "margin:0 0 4px");
  list = element("ol", "", "margin:0;padding-left:24px;overflow-wrap:anywhere");
  box.append(close, element("strong", "ThamesThrive"), state, list);
  host.attachShadow({ mode: "open" }).append(box);
  document.body.append(host);
};

const refresh = (): void => {
  if (state) {
    const [count, rest] = waiting();
    state.textContent =
      `Source ${config.source!.id}. Waiting: ${count}.` +
      (rest > 0 ? ` Next attempt in ${Math.ceil(rest / 1e3)} s.` : "");
  }
};

const say = ({ what, text, good }: Line): void => {
  if (config.settings?.debug) console.log("[ThamesThrive]", what, text);
  if (list) {
    const item = element(
      "li",
      "",
      good == undefined ? "" : `color:${good ? "#0a5d1f" : "#a30000"}`,
    );
    item.append(element("strong", what), " " + text);
    list.append(item);
  }
  refresh();
};

const show = ({ status, ok }: Response, text: string): void => {
  say({ what: `answer ${status}`, text: text.slice(0, 300), good: ok });
  let errors: Answer["errors"] = [];
  try {
    ({ errors = [] } = JSON.parse(text) as Answer);
  } catch {
    // somebody else's HTML: shown as it is
  }
  for (const { reason, detail = "" } of errors) say({ what: reason, text: detail, good: false });
};

const verdict = (type: string, result: TrackResult): void =>
  say({
    what: result.stored ? (result.duplicate ? "duplicate" : "stored") : result.reason,
    text: `${type} ${result.id}${result.stored ? "" : " " + (result.detail || "")}`,
    good: result.stored,
  });

const begin = (): void => {
  if (drawn) draw();
  say({
    what: "ready",
    text: `${tracker.flush ? "tracker" : "loader"}, session ${tracker.sessionId}, profile ${tracker.profileId || "none yet"}, ${waiting()[0]} waiting`,
  });

  const scripts = [...document.scripts];
  const ours = scripts.findIndex(
    ({ text, dataset }) => dataset["source"] || /onThamesThriveReady/.test(text),
  );
  const early = scripts
    .slice(0, Math.max(0, ours))
    .find(({ text }) => /\btracker\.track\(/.test(text));
  if (early)
    say({
      what: "order",
      text: "A script before the snippet calls tracker.track, where there is no tracker yet: paste the snippet first.",
      good: false,
    });

  const { track } = tracker;
  tracker.track = (type, properties, options) => {
    say({ what: "track", text: `${type} ${JSON.stringify(properties || {})}` });
    const result = track!(type, properties, options);
    void result.then((settled) => verdict(type, settled));
    return result;
  };

  const { fetch } = window;
  window.fetch = (input, init) => {
    if (input != api) return fetch(input, init);
    const events = (JSON.parse(init!.body as string) as { events: { id: string; type: string }[] })
      .events;
    say({ what: "send", text: events.map((event) => event.type).join(", ") });
    const answer = fetch(input, init);
    void answer
      .then((response) =>
        response
          .clone()
          .text()
          .then((text) => show(response, text)),
      )
      .catch((error) =>
        say({ what: "no answer", text: `${error}: the events stay, and go again`, good: false }),
      );
    return answer;
  };
  if (drawn) setInterval(refresh, 1000);
};

if (document.body) begin();
else addEventListener("DOMContentLoaded", begin);
