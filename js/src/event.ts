import { eventId, timeOf } from "./ids";
import type { TrackCall } from "./types";

/** The wire JSON of an event: what was tracked, when, on the page as it was then. */
export const eventJson = (
  key: string,
  [url, title, referrer, type, properties, given]: TrackCall,
  page: unknown,
): string => {
  const { context, ...options } = given || {};
  return JSON.stringify({
    id: eventId(key),
    type,
    time: { create: new Date(timeOf(key)) },
    properties,
    context: {
      page: page != false ? { url, path: new URL(url).pathname, title, referrer } : undefined,
      ...context,
    },
    options,
  });
};
