import type { Json, TrackerOptions } from "./types";

/**
 * Reads the configuration of a script tag: `data-settings-flush-interval="500"` is
 * `{settings: {flushInterval: 500}}`. A value that is not JSON is a plain string.
 */
export const fromDataset = ({ src, dataset }: HTMLScriptElement): TrackerOptions => {
  const { source, api, ...data } = dataset;
  const config: Record<string, Json> = { url: { script: src, api }, source: { id: source } };
  for (const name in data) {
    // The browser makes it "settingsFlushInterval": the group ends before the first capital.
    const path = name.replace(/[A-Z]/, (letter) => "." + letter.toLowerCase());
    const [group, key] = path.split(".") as [string, string];
    let value: unknown = data[name];
    try {
      value = JSON.parse(value as string);
    } catch {
      // a plain string
    }
    (config[group] ||= {})[key] = value;
  }
  return config;
};

/**
 * Where requests go, without a slash at the end: by default the address that the bundle's stands
 * under, `https://shop.example/t` for `https://shop.example/t/tracker/tracker.min.js`.
 */
export const apiOf = ({ url }: TrackerOptions): string =>
  (url!.api || url!.script!.replace(/(\/tracker)?(\/[^/]+js)?\/*$/, "")).replace(/\/*$/, "");
