import { eventId, timeOf } from "./ids";
import type { Json, TrackCall } from "./types";

/** The wire JSON of an event: what was tracked, when, on the page as it was then. */
export const eventJson = (key: string, [url, title, referrer, type, properties, given]: TrackCall, withPage: boolean): string => {
  const { context, ...options } = given || {};
  const page: Json | undefined = withPage ? { url, path: new URL(url).pathname, title, referrer } : undefined;
  return JSON.stringify({
    id: eventId(key),
    type,
    time: { create: new Date(timeOf(key)) },
    properties,
    context: { page, ...context },
    options,
  });
};
