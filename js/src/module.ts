/** The module build: `import { createTracker } from "@thamesthrive/tracker"`. Importing it does nothing, on a server either. */
import { create } from "./core";
import { startPage } from "./page-features";
import type { Tracker, TrackerOptions } from "./types";

export type * from "./types";

/**
 * A tracker of one's own, beside any that the page has. On a server, where there is no page, its events go nowhere and
 * `track` says so.
 */
export const createTracker = (config: TrackerOptions): Tracker => {
  if (!config.source?.id || !config.url)
    throw new TypeError("createTracker needs url and source.id");
  if (typeof document != "undefined") {
    const tracker = {};
    create(config, tracker, startPage);
    return tracker as Tracker;
  }
  return {
    track: () =>
      Promise.resolve({
        stored: false,
        id: "",
        reason: "disabled_source",
        detail: "there is no page",
      }),
    flush: () => Promise.resolve(),
    ready: Promise.resolve(null),
    profileId: null,
    sessionId: "",
    consent: () => undefined,
    reset: () => undefined,
  };
};
