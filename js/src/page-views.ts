/** `settings.pageViews`: one for the page, and in `spa` one for each address that it takes on. */
export const watchViews = (mode: string | undefined, view: (referrer: string) => void): void => {
  let seen = document.URL;
  const look = (): void => {
    const before = seen;
    if (before != (seen = document.URL)) view(before);
  };
  if (/load|spa/.test(mode!)) view(document.referrer);
  if (mode == "spa") {
    for (const name of ["pushState", "replaceState"] as const) {
      const original = history[name];
      history[name] = (...given) => {
        original.apply(history, given);
        look();
      };
    }
    addEventListener("popstate", look); // hash routes too
  }
};
