/**
 * What runs in the pages under test. Both functions are handed to the browser as text, so nothing
 * outside of them can be used in them.
 */
import type { PageState } from "./types";

/** What a page reports while it is open. */
export type Fact =
  | { what: "call"; key: string; type: string; properties: unknown }
  | { what: "result"; key: string; stored: boolean; reason?: string; detail?: string }
  | { what: "blocked"; url: string; why: string };

/**
 * Gives the run to the tracker, and reports calls of `track` and what the page's policy blocks.
 * Runs before the page's own scripts. `window.tracker` begins as an array and becomes a tracker, so
 * the two properties of it through which calls come are watched from the beginning.
 */
export const watchPage = (page: Window, run: string, report: (fact: Fact) => void): void => {
  type Calls = (...given: unknown[]) => unknown;
  type Watched = { track?: Calls; push: Calls };
  (page as unknown as { __tt_qa: object }).__tt_qa = { run };
  let count = 0;

  const reportCall = ([type, properties]: unknown[]): string => {
    const key = `${Math.random()}-${++count}`;
    try {
      const copy: unknown = JSON.parse(JSON.stringify(properties ?? {}));
      report({ what: "call", key, type: String(type), properties: copy });
    } catch {
      report({ what: "call", key, type: String(type), properties: "not JSON" });
    }
    return key;
  };
  const watched = new WeakSet<Watched>();
  const watch = (tracker: Watched): void => {
    if (watched.has(tracker)) return;
    watched.add(tracker);
    let { track, push } = tracker;
    const reported: Calls = (...given) => {
      const key = reportCall(given);
      const result = track!(...given);
      void Promise.resolve(result).then((settled) => {
        const { stored, reason, detail } = settled as Fact & { what: "result" };
        const words = { ...(reason && { reason }), ...(detail && { detail }) };
        report({ what: "result", key, stored, ...words });
      });
      return result;
    };
    const reportedPush: Calls = (...calls) => {
      // What a loader pushes has come through `track`, and is the only kind with a function in it.
      (calls as unknown[][]).filter((call) => typeof call[2] != "function").forEach(reportCall);
      return push.apply(tracker, calls);
    };
    const hidden = { configurable: true, enumerable: false };
    Object.defineProperty(tracker, "push", { ...hidden, writable: true, value: reportedPush });
    Object.defineProperty(tracker, "track", {
      ...hidden,
      get: () => track && reported,
      set: (given: Calls) => {
        track = given;
        // The bundle sets `push` right after `track`, in the same task.
        queueMicrotask(() => {
          if (tracker.push == reportedPush) return;
          push = tracker.push;
          Object.defineProperty(tracker, "push", { value: reportedPush });
        });
      },
    });
  };

  let tracker: unknown;
  Object.defineProperty(page, "tracker", {
    configurable: true,
    enumerable: true,
    get: () => tracker,
    set: (given: unknown) => {
      tracker = given;
      if (Array.isArray(given)) watch(given as Watched);
    },
  });
  page.document.addEventListener("securitypolicyviolation", (event) => {
    const why = `the page's Content-Security-Policy (${event.effectiveDirective})`;
    report({ what: "blocked", url: event.blockedURI, why });
  });
};

/** Of the classic snippet. It is no property of the window. */
declare const options: { tracker?: { settings?: Settings } } | undefined;
interface Settings {
  consent?: string;
  respectDoNotTrack?: boolean;
}

/** How the page stands with its tracker: the one it runs in, or another one of the same origin. */
export const lookAtPage = (given?: Window): PageState => {
  const page = (given ?? window) as Window & {
    tracker?: { ready?: unknown };
    eval?: (code: string) => typeof options;
  };
  const settingsOf = (): Settings | undefined => {
    try {
      return (given ? page.eval!("options") : options)?.tracker?.settings;
    } catch {
      return undefined; // no such snippet, or the page's policy forbids to look
    }
  };
  const { document, navigator, location, tracker } = page;
  const tag = [...document.scripts].find(({ dataset }) => dataset["source"])?.dataset;
  const settings = settingsOf();
  const respects = settings?.respectDoNotTrack ?? tag?.["settingsRespectDoNotTrack"] == "true";
  const asks =
    Number(navigator.doNotTrack) > 0 ||
    Boolean((navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl);
  return {
    url: location.href,
    tracker: tracker?.ready ? "loaded" : tracker || tag ? "waiting" : "missing",
    consent: settings?.consent ?? tag?.["settingsConsent"],
    doNotTrack: respects && asks,
  };
};
