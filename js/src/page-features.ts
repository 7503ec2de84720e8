/**
 * What the tracker does on the page itself: triggers, links to other sites, elements from the collector. A file of its own,
 * fetched only by pages whose options ask for any of it.
 */
import { watchLinks } from "./links";
import { watchTriggers } from "./triggers";
import type { Answer, Json, Tracker, TrackerOptions } from "./types";
import { inject } from "./ux";

/** What the core hands over. */
export interface Part {
  tracker: Tracker;
  config: TrackerOptions;
  /** What is known of where the visitor is. */
  place: Json;
  /** Of the page, for what is added to it. */
  nonce?: string | undefined;
  /** Those that have come, and by `push` those that will. */
  answers: (Answer | null)[];
}

export const startPage = ({ tracker, config, nonce, answers, place }: Part): void => {
  const { source, context = {}, settings = {}, auto: { triggers } = {} } = config;
  if (WITH_EXTRAS && context.location?.url) {
    // An address that does not answer leaves what is known as it is; the browser says so in the console.
    void fetch(context.location.url)
      .then((response) => response.json())
      .then(
        (found) => Object.assign(place, found),
        () => 0,
      );
  }
  if (WITH_TRIGGERS && triggers) {
    watchTriggers(triggers, ({ event, properties, options }) =>
      tracker.track(event, properties, options),
    );
  }
  if (WITH_LINKS && settings.trackExternalLinks)
    watchLinks(settings.trackExternalLinks, tracker, source!.id!.trim());
  if (WITH_UX && settings.allowUx) {
    const show = (answer: Answer | null): number =>
      answer?.ux?.splice(0).map((widget) => inject(widget, nonce)).length || 0;
    answers.map(show);
    answers.push = show;
  }
};
