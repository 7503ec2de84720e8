import type { Tracker } from "./types";

/** Whether `host` of the options covers a link: exactly, or as a suffix that begins with a dot. */
const covers = (host: string, link: HTMLAnchorElement): boolean =>
  host == link.host ||
  host == link.hostname ||
  (host.startsWith(".") && ("." + link.hostname).endsWith(host));

/** `settings.trackExternalLinks`: adds the profile to links to the owner's other sites. */
export const watchLinks = (hosts: string[], tracker: Tracker, source: string): void => {
  const addProfile = (event: Event): void => {
    const link = event.composedPath().find((node) => (node as HTMLAnchorElement).hostname) as
      HTMLAnchorElement | undefined;
    const id = tracker.profileId;
    if (id && link && hosts.some((host) => covers(host, link))) {
      // Not by URLSearchParams, which would write the rest of the query in another way.
      const others = link.search.replace(/[?&]__tt_[^&]*/g, "");
      link.search = `${others}&__tt_pid=${encodeURIComponent(id)}&__tt_src=${source}`;
    }
  };
  // At the moment of use, whatever key or button it is: links may have come or changed meanwhile.
  for (const name of ["click", "auxclick", "contextmenu"]) addEventListener(name, addProfile, true);
};
