/**
 * `settings.pageViews`: calls `view` with the referrer for the page, and in mode "spa" for each
 * address that it takes on.
 */
export const watchPageViews = (
  mode: string | undefined,
  view: (referrer: string) => void,
): void => {
  let current = document.URL;
  const look = (): void => {
    const previous = current;
    current = document.URL;
    if (current != previous) view(previous);
  };
  if (/load|spa/.test(mode!)) view(document.referrer);
  if (mode == "spa") {
    // Browsers fire no event for these two.
    for (const name of ["pushState", "replaceState"] as const) {
      const original = history[name];
      history[name] = (...given) => {
        original.apply(history, given);
        look();
      };
    }
    addEventListener("popstate", look); // and for hash routes
  }
};
