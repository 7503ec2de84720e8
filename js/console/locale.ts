/**
 * A browser of a system without a language, as WebKitGTK with `LANG=C`, says that its language is
 * "C", with which the library for charts fails when it is loaded.
 */
try {
  new Intl.NumberFormat(navigator.language);
} catch {
  Object.defineProperty(navigator, "language", { value: "en" });
}

export {};
