/**
 * The inline loader. It makes `window.tracker` at once, an array of calls; at DOMContentLoaded it
 * reads `options` and loads the bundle. Until the bundle is there it stores events in localStorage:
 * a collector that is down serves no bundle either, and the visitor may close the tab before it is
 * back. `callKey`, `queuePrefix`, `refusesTracking` and the policy are written out here, because
 * each function costs bytes.
 */
import { QUEUE_KEY } from "./storage-keys";
import type {
  LoaderCall,
  ReadyQueue,
  ScriptPolicy,
  TrackerOptions,
  TrackerStub,
  TrackerWindow,
} from "./types";

/** The page's, or that of the block around the snippet. */
declare const options: { tracker: TrackerOptions };

declare const window: TrackerWindow;
declare const tracker: TrackerStub;

// Set only while the script itself runs: later it is null.
const { nonce } = document.currentScript as HTMLScriptElement;
/** `window.tracker`, unless that is another snippet's: the bundle then starts one beside it. */
const stub = (window.tracker ||= [] as unknown as TrackerStub).track
  ? ([] as unknown as TrackerStub)
  : tracker;
/** Empty as long as events may not be stored. */
let prefix: string;

/**
 * Reads `options`. Returns the bundle's address, or false where the visitor wants no tracking.
 * From now on calls are stored, if they may be.
 */
const configure = (): string | false => {
  const config = options.tracker;
  // To search the JSON for `respectDoNotTrack` and the rest is shorter than to name them.
  const json = JSON.stringify(config.settings);
  const refused =
    (/Track":true/.test(json) as unknown as number) &
    ((navigator.doNotTrack as unknown as number) |
      (navigator as unknown as { globalPrivacyControl: number }).globalPrivacyControl);
  // Memory, pending, denied: nothing is stored.
  const inMemory = /:"(mem|pen|den)/.test(json) as unknown as number;
  prefix = refused | inMemory ? "" : QUEUE_KEY + "." + config.source!.id + ".";
  return !refused && config.url!.script!.replace(/\/*$/, "/tracker.min.js");
};

const store = ([key, json, , name]: LoaderCall): void => {
  try {
    configure();
    // Of the four names below, "track" only.
    if (prefix && name! > "t") localStorage[prefix + key] = json;
  } catch {
    // `options` is yet to come, or storage is refused or full: the event waits in memory.
  }
};

for (const name of ["flush", "consent", "track", "reset"] as const) {
  stub[name as string] = (...given: unknown[]): Promise<never> =>
    new Promise<unknown>((done) => {
      const call: LoaderCall = [
        Date.now() * 1e3 + stub.length + Math.random().toFixed(15),
        // JSON at once: what the page does to its objects later does not reach the event.
        JSON.stringify([location.href, document.title, document.referrer, ...given]),
        done,
        name,
      ];
      stub.push(call);
      store(call);
    }).catch((error) => {
      console.error(error);
      return { id: "", reason: "invalid", stored: false };
    }) as Promise<never>;
}
((window.onThamesThriveReady ||= [] as unknown as ReadyQueue) as ReadyQueue).bind ||= [].push;
void new Promise<void>((resolve) => {
  // Of the three states, "loading" has seven letters, and a script that runs later has missed it.
  // Not "load", which waits for images.
  if (document.readyState[7]) resolve();
  addEventListener("DOMContentLoaded", resolve as () => void);
  // A page that is left before stores its events for the next one.
  addEventListener("pagehide", resolve as () => void);
})
  .then(configure)
  .then(
    (address) => {
      let policy: ScriptPolicy = { createScriptURL: String };
      policy = window.trustedTypes?.createPolicy("thamesthrive", policy) || policy;
      const load = (): void =>
        document.head.append(
          Object.assign(document.createElement("script"), {
            src: policy.createScriptURL(address as string),
            nonce,
            onerror() {
              setTimeout(load, 5e3);
            },
            given: [options.tracker, stub, policy],
          }),
        );
      (stub as LoaderCall[]).forEach(store);
      if (address) load();
    },
    () => console.error("[ThamesThrive] options.tracker needs url.script, source.id: see docs"),
  );
