/** The session's context: what is true of a visit rather than of one event. */
import type { Json, TrackerOptions } from "./types";

type Wanted = NonNullable<TrackerOptions["context"]>;
type Pairs = [name: string, value: string][];

/** The properties of `from` that `names` lists, with blanks between. */
const pick = (from: object, names: string): Json =>
  Object.fromEntries(names.split(" ").map((name) => [name, (from as Json)[name]]));

/** The first 50 pairs whose name matches, values cut at 200 characters; undefined without any. */
const matching = (pairs: Pairs, pattern: RegExp, prefixLength = 0): Json | undefined => {
  const found = pairs.filter(([name]) => pattern.test(name)).slice(0, 50);
  return (
    found[0] &&
    Object.fromEntries(
      found.map(([name, value]) => [name.slice(prefixLength), value?.slice(0, 200)]),
    )
  );
};

/** Names that are not the tracker's own. */
const NOT_OURS = /^(?!thamesthrive-)./;

/** Adds what the page itself has stored, as far as it is wanted. */
const addPageStorage = (context: Json, wanted: Wanted): void => {
  try {
    if (wanted.storage) {
      context["storage"] = {
        local: matching(Object.entries(localStorage), NOT_OURS),
        session: matching(Object.entries(sessionStorage), NOT_OURS),
      };
    }
    if (wanted.cookies) {
      const cookies = document.cookie.split("; ").map((cookie) => cookie.split(/=(.*)/s));
      context["cookies"] = matching(cookies as Pairs, NOT_OURS);
    }
  } catch {
    // Sandboxed frames refuse both.
  }
};

/** `wanted` switches its parts on or off. `visitorLocation` is what is known so far. */
export const sessionContext = (wanted: Wanted, visitorLocation?: Json): Json => {
  const query = [...new URLSearchParams(location.search)];
  const context: Json = {
    browser: {
      ...pick(navigator, "userAgent language languages platform cookieEnabled"),
      // Not the time zone's name: Chromium loads a library for it, which takes 20 ms.
      timezoneOffset: new Date().getTimezoneOffset(),
    },
    screen: {
      ...pick(screen, "width height colorDepth"),
      ...pick(window, "innerWidth innerHeight devicePixelRatio"),
    },
    utm: matching(query, /^utm_/, 4),
    pass: matching(query, /^__tt_/),
    location: visitorLocation,
  };
  for (const name in context) {
    if (wanted[name as "utm"] == false) delete context[name];
  }
  if (WITH_EXTRAS) {
    if (wanted.performance) context["performance"] = performance;
    addPageStorage(context, wanted);
  }
  return context;
};
