import type { Json } from "./types";

const pick = (from: object, names: string): Json =>
  Object.fromEntries(names.split(" ").map((name) => [name, (from as Json)[name]]));

/** What is true of the visit rather than of one event. Each part can be switched off. */
export const sessionContext = ({ browser, screen: displayed, utm }: Json = {}): Json => {
  const context: Json = {};
  if (browser != false) {
    context["browser"] = {
      ...pick(navigator, "userAgent language languages platform cookieEnabled"),
      timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    };
  }
  if (displayed != false) {
    context["screen"] = {
      ...pick(screen, "width height availWidth availHeight colorDepth"),
      ...pick(window, "innerWidth innerHeight devicePixelRatio"),
    };
  }
  const campaign = [...new URLSearchParams(location.search)].filter(([name]) => /^utm_/.test(name));
  if (utm != false && campaign[0]) {
    context["utm"] = Object.fromEntries(campaign.map(([name, value]) => [name.slice(4), value]));
  }
  return context;
};
