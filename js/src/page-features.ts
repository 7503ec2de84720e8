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

/** What has happened before this file is there: responses, and the composed paths of clicks. */
export type Inbox = (Answer | null | EventTarget[])[];

/** What the core hands over. A tuple, because the names of properties cost bytes. */
export type PageFeatures = [
  tracker: Tracker,
  config: TrackerOptions,
  /** What happens from now on is pushed. */
  inbox: Inbox,
  /** Filled here; the core sends it in the session's context. */
  visitorLocation: Json | undefined,
  /** Tracks a page-view. */
  view: (referrer: string) => void,
  /** The page's address when the tracker started. */
  url: string,
];

/** Completes the visitor's location by what an address of the page's owner knows. */
const fetchLocation = async (url: string, visitorLocation: Json): Promise<void> => {
  delete visitorLocation["toJSON"];
  // An address that does not answer leaves the location as it is; the browser's console says so.
  const response = await fetch(url).catch(() => undefined);
  Object.assign(visitorLocation, await response?.json().catch(() => undefined));
};

/** `nonce`: the page's, for elements that are added to it. */
export const startPageFeatures = (features: PageFeatures, nonce?: string): void => {
  const [tracker, config, inbox, visitorLocation, view, url] = features;
  const { source, context = {}, settings = {}, auto: { triggers } = {} } = config;
  const { consent = "granted", pageViews } = settings;
  const locationUrl = WITH_EXTRAS && context.location?.url;
  if (locationUrl) {
    const look = (): Json => {
      void fetchLocation(locationUrl, visitorLocation!);
      return visitorLocation!;
    };
    // Nothing is asked before consent: the first request makes JSON of the location.
    if (consent == "granted") look();
    else visitorLocation!["toJSON"] = look;
  }
  if (WITH_VIEWS && pageViews == "spa") watchAddresses(url, view);
  let click: ((path: EventTarget[]) => void) | undefined;
  if (WITH_TRIGGERS && triggers) {
    click = watchTriggers(triggers, ({ event, properties, options }) =>
      tracker.track(event, properties, options),
    );
  }
  if (WITH_LINKS && settings.trackExternalLinks) {
    watchLinks(settings.trackExternalLinks, tracker, source!.id!);
  }
  const take = (item: Inbox[number]): number => {
    if (Array.isArray(item)) click?.(item);
    // `splice` empties the list: no element is injected twice.
    else item?.ux?.splice(0).forEach((widget) => inject(widget, nonce));
    return 0;
  };
  inbox.forEach(take);
  inbox.push = take;
};
