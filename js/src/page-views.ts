/** `settings.pageViews: "spa"`: a page-view for each address that the page takes on after `url`. */
export const watchAddresses = (url: string, view: (referrer: string) => void): void => {
  const look = (): void => {
    const previous = url;
    url = document.URL;
    if (url != previous) view(previous);
  };
  // Browsers fire no event for these two.
  for (const name of ["pushState", "replaceState"] as const) {
    const original = history[name];
    history[name] = (...given) => {
      original.apply(history, given);
      look();
    };
  }
  addEventListener("popstate", look); // and for hash routes
  look();
};
