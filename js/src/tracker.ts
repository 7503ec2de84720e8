/**
 * The entry of `tracker.min.js`: takes over from the loader, or starts from its script tag.
 * Trackers of several sources stand beside each other: `window.tracker` is the first one, and
 * `window.tracker[id]` is that of the source.
 */
import "./order";
import { fromDataset } from "./config";
import { reportError } from "./console";
import { startTracker } from "./core";
import type {
  BundleScript,
  PushedCall,
  ReadyQueue,
  ScriptPolicy,
  TrackerStub,
  TrackerWindow,
} from "./types";

const page = window as unknown as TrackerWindow;
// Set only while the script itself runs: later it is null, so it is kept.
const script = document.currentScript as BundleScript;
let [config, stub, policy] = script.given || [fromDataset(script)];
const id = config.source?.id as string;
const toAddress: ScriptPolicy = { createScriptURL: String };

/** Loads another file of the bundle from where this one came, and hands `given` over to it. */
const load = (name: string, given: object): void => {
  const { src, nonce } = script;
  // Only here: a page that needs none of these files need not allow the policy.
  policy ||= page.trustedTypes?.createPolicy("thamesthrive", toAddress) || toAddress;
  document.head.append(
    Object.assign(document.createElement("script"), {
      src: policy.createScriptURL(src.replace(/[^/]*$/, name + ".min.js")),
      nonce,
      given,
      onerror: () => setTimeout(load, 1e4, name, given),
    }),
  );
};

const root = (page.tracker ||= [] as unknown as TrackerStub);
const tracker = stub || (root.track ? ([] as unknown as TrackerStub) : root);
const pushed = (root[id] || []) as TrackerStub;
if (!id || pushed.ready) reportError(id ? "pasted twice" : "no source id");
else {
  root[id] = tracker;
  const bind = startTracker(config, tracker, (features) => load("page", features));
  tracker.push!(...(pushed as PushedCall[]));
  if (tracker == root) {
    const readyQueue = (page.onThamesThriveReady ||= [] as unknown as ReadyQueue) as ReadyQueue;
    readyQueue.bind = readyQueue.push = bind as ReadyQueue["push"];
    readyQueue.map(bind);
  }
  if (WITH_DEBUG && (config.settings?.debug || /#thamesthrive-debug/.test(location.href))) {
    load("debug", { config, tracker });
  }
}
