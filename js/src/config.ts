import type { Json, TrackerOptions } from "./types";

declare const options: { tracker?: TrackerOptions } | undefined;

/** `data-settings-flush-interval="500"` → `{settings: {flushInterval: 500}}`; values are JSON where they parse. */
const fromDataset = ({
  src,
  dataset: { source, api, ...data },
}: HTMLScriptElement): TrackerOptions => {
  const config: Record<string, Json> = { url: { script: src, api }, source: { id: source } };
  for (const name of Object.keys(data)) {
    const [group, ...rest] = name
      .replace(/[A-Z]/, (letter) => "." + letter.toLowerCase())
      .split(".") as [string];
    const into = ((config[group] as Json | undefined) ||= {});
    try {
      into[rest.join("")] = JSON.parse(data[name] as string);
    } catch {
      into[rest.join("")] = data[name]; // a plain string
    }
  }
  return config;
};

/** The page's configuration, from the script tag's `data-` attributes or from the global `options`. */
export const readConfig = (script: HTMLScriptElement | null): TrackerOptions | undefined => {
  if (script?.dataset["source"]) return fromDataset(script);
  try {
    // A lexical global, not a property of window: reading it throws where it is missing or still in its dead zone.
    const { tracker } = options!;
    if (tracker!.source!.id && tracker!.url!.script) return tracker;
  } catch {
    // said by the caller
  }
  return;
};

/** Where requests go, without a trailing slash: by default the origin that serves the bundle. */
export const apiOf = ({ url }: TrackerOptions): string =>
  (url!.api || new URL(url!.script as string, location.href).origin).replace(/\/*$/, "");
