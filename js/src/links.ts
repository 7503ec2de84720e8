import type { Tracker } from "./types";

/** `settings.trackExternalLinks`: the visitor's profile goes along to sites of the same owner, in the address. */
export const watchLinks = (hosts: string[], tracker: Tracker, source: string): void => {
  // At the moment of use, whatever key or button it is: links may have come or changed since the page was loaded.
  for (const name of ["click", "auxclick", "contextmenu"]) {
    addEventListener(
      name,
      (event) => {
        const link = event.composedPath().find((node) => (node as HTMLAnchorElement).hostname) as
          HTMLAnchorElement | undefined;
        const id = tracker.profileId;
        if (
          id &&
          link &&
          hosts.some(
            (host) =>
              host == link.host ||
              ("." + link.hostname).endsWith(host.replace(/^(?!\.)/, "^")) ||
              host == link.hostname,
          )
        ) {
          // The rest of the query stays as it is written.
          link.search =
            link.search.replace(/[?&]__tt_[^&]*/g, "") +
            `&__tt_pid=${encodeURIComponent(id)}&__tt_src=${source}`;
        }
      },
      true,
    );
  }
};
