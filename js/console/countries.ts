/** Names of countries, which the server has as two letters. */

const names = new Intl.DisplayNames(["en"], { type: "region", fallback: "code" });

const showNames = (): void => {
  for (const element of document.querySelectorAll<HTMLElement>("[data-country]")) {
    const code = element.dataset["country"]!;
    if (!/^[A-Z]{2}$/.test(code)) continue; // of an address that somebody made up
    const name = names.of(code)!;
    element.textContent = name;
    if (element.title) element.title = `${name} (${code})`;
  }
};

export const startCountries = (): void => {
  showNames();
  document.addEventListener("htmx:after:swap", showNames);
};
