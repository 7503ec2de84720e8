/**
 * What the tracker does on the page itself: triggers, links to other sites, elements that the
 * collector sends. It is in `page.min.js`, which the tracker loads only when the options ask for
 * any of it.
 */
import { watchLinks } from "./links";
import { watchAddresses } from "./page-views";
import { watchTriggers } from "./triggers";
import type { Answer, Json, Tracker, TrackerOptions } from "./types";
import { inject } from "./ux";

/** What the core hands over. */
export interface PageFeatures {
  tracker: Tracker;
  config: TrackerOptions;
  /** Filled here; the core sends it in the session's context. */
  visitorLocation?: Json | undefined;
  /** The page's, for elements that are added to it. */
  nonce?: string | undefined;
  /** Responses that have come. Those that will are pushed. */
  answers: (Answer | null)[];
  /** Tracks a page-view. */
  view(referrer: string): void;
  /** The page's address when the tracker started. */
  url: string;
}

/** Completes the visitor's location by what an address of the page's owner knows. */
const fetchLocation = async (url: string, visitorLocation: Json): Promise<void> => {
  const response = await fetch(url);
  Object.assign(visitorLocation, await response.json());
};

export const startPageFeatures = (features: PageFeatures): void => {
  const { tracker, config, nonce, answers, visitorLocation, view, url } = features;
  const { source, context = {}, settings = {}, auto: { triggers } = {} } = config;
  const { consent = "granted", pageViews } = settings;
  const locationUrl = WITH_EXTRAS && context.location?.url;
  if (locationUrl) {
    // Nothing is asked before consent; the first response comes after it. An address that does not
    // answer leaves the location as it is; the browser's console says so.
    const decided = consent == "granted" ? Promise.resolve() : tracker.ready;
    decided.then(() => fetchLocation(locationUrl, visitorLocation!)).catch(() => undefined);
  }
  if (WITH_VIEWS && pageViews == "spa") watchAddresses(url, view);
  if (WITH_TRIGGERS && triggers) {
    watchTriggers(triggers, ({ event, properties, options }) =>
      tracker.track(event, properties, options),
    );
  }
  if (WITH_LINKS && settings.trackExternalLinks) {
    watchLinks(settings.trackExternalLinks, tracker, source!.id!.trim());
  }
  if (WITH_UX && settings.allowUx) {
    const show = (answer: Answer | null): number => {
      // `splice` empties the list: no element is injected twice.
      const widgets = answer?.ux?.splice(0) || [];
      widgets.forEach((widget) => inject(widget, nonce));
      return widgets.length;
    };
    answers.forEach(show);
    answers.push = show;
  }
};
