import type { Json, TrackerOptions } from "./types";

type Pairs = [name: string, value: string][];

const pick = (from: object, names: string): Json =>
  Object.fromEntries(names.split(" ").map((name) => [name, (from as Json)[name]]));

/** Of names and texts those that `pattern` matches, without its first `cut` characters, and no more than says what they are. */
const some = (pairs: Pairs, pattern: RegExp, cut = 0): Json | undefined => {
  pairs = pairs.filter(([name]) => pattern.test(name)).slice(0, 50);
  return (
    pairs[0] &&
    Object.fromEntries(pairs.map(([name, value]) => [name.slice(cut), value?.slice(0, 200)]))
  );
};

/** What is the page's own. */
const FOREIGN = /^(?!thamesthrive-)./;

/** What is true of the visit rather than of one event. Each part can be switched off or on. `place`: what is known of it. */
export const sessionContext = (
  wanted: NonNullable<TrackerOptions["context"]>,
  place?: Json,
): Json => {
  const query = [...new URLSearchParams(location.search)];
  const context: Json = {
    browser: {
      ...pick(navigator, "userAgent language languages platform cookieEnabled"),
      // Its name would cost twenty milliseconds: the browser loads a library for it.
      timezoneOffset: new Date().getTimezoneOffset(),
    },
    screen: {
      ...pick(screen, "width height colorDepth"),
      ...pick(window, "innerWidth innerHeight devicePixelRatio"),
    },
    utm: some(query, /^utm_/, 4),
    pass: some(query, /^__tt_(pid|src)$/),
    location: place,
  };
  for (const name of Object.keys(context)) if (wanted[name as "utm"] == false) delete context[name];
  if (WITH_EXTRAS) {
    if (wanted.performance) context["performance"] = performance;
    try {
      if (wanted.storage)
        context["storage"] = {
          local: some(Object.entries(localStorage), FOREIGN),
          session: some(Object.entries(sessionStorage), FOREIGN),
        };
      if (wanted.cookies)
        context["cookies"] = some(
          document.cookie.split("; ").map((cookie) => cookie.split(/=(.*)/s) as Pairs[0]),
          FOREIGN,
        );
    } catch {
      // A frame without storage has nothing to tell.
    }
  }
  return context;
};
