/**
 * The entry of the ES module: `import { createTracker } from "@thamesthrive/tracker"`. Importing it
 * does nothing, also on a server.
 */
import { startTracker } from "./core";
import { startPageFeatures } from "./page-features";
import type { Tracker, TrackerOptions, TrackerStub } from "./types";

export type * from "./types";

/**
 * Creates a tracker beside any that the page has. On a server, where there is no page, `track`
 * resolves to that reason, and nothing is sent.
 */
export const createTracker = (config: TrackerOptions): Tracker => {
  if (!config.source?.id || !config.url) {
    throw new TypeError("createTracker needs url and source.id");
  }
  if (typeof document != "undefined") {
    const tracker = [] as unknown as TrackerStub;
    startTracker(config, tracker, startPageFeatures);
    return tracker as unknown as Tracker;
  }
  const result = { stored: false, id: "", reason: "disabled_source", detail: "there is no page" };
  return {
    track: () => Promise.resolve(result as { stored: false; id: string; reason: string }),
    flush: () => Promise.resolve(),
    ready: Promise.resolve(null),
    profileId: null,
    sessionId: "",
    consent: () => undefined,
    reset: () => undefined,
    push: () => undefined,
  };
};
