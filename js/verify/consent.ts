/**
 * What `thamesthrive verify` puts into every frame of a page that it opens with consent: agrees to
 * what the page's consent manager asks. `@duckduckgo/autoconsent` knows several hundred of them.
 * How far it has come is in `window[Symbol.for("thamesthrive.consent")]`.
 */
import AutoConsent from "@duckduckgo/autoconsent";
import rules from "@duckduckgo/autoconsent/rules/rules.json";

interface Consent {
  /** The managers that were found on the page. */
  found: string[];
  /** Those that ask, so that there is something to agree to. */
  asking: string[];
  /** Whether agreeing worked; null before. */
  agreed: boolean | null;
  done: boolean;
}

const consent: Consent = { found: [], asking: [], agreed: null, done: false };
const key = Symbol.for("thamesthrive.consent");

const start = (): void => {
  const client = new AutoConsent(async (message) => {
    if (message.type == "cmpDetected") consent.found.push(message.cmp);
    if (message.type == "popupFound") consent.asking.push(message.cmp);
    if (message.type == "optInResult") consent.agreed = message.result;
    if (message.type == "autoconsentDone") consent.done = true;
  });
  const config = {
    enabled: true,
    autoAction: "optIn" as const,
    detectRetries: 6, // half a second each
    // A page whose policy forbids eval has its rules called as they are.
    isMainWorld: true,
    enablePrehide: false,
    enableCosmeticRules: false,
    heuristicMode: "off" as const,
  };
  client.initialize(config, { autoconsent: rules.autoconsent });
};

if (!(key in window)) {
  // Not enumerable: a page that lists its globals sees what its visitors have.
  Object.defineProperty(window, key, { value: consent });
  start();
}
