/**
 * htmx and its stream of events, as one file with everything else: of two deferred scripts, Firefox
 * may run the second first.
 */

import htmx from "htmx.org/dist/htmx.esm.js";

type Policy = { createHTML(text: string): unknown; createScript(text: string): unknown };
type Factory = { createPolicy(name: string, rules: object): Policy };
interface Api {
  initSecurity(policy: Policy): void;
}

/**
 * The only way by which text becomes part of a page. The text is the console's own: its templates
 * escape what senders have written, and no script in it would run, whatever it is.
 */
const rules = {
  createHTML: (text: string): string => text,
  createScript: (): never => {
    throw new TypeError("No text becomes a script here.");
  },
};
const factory = (window as unknown as { trustedTypes?: Factory }).trustedTypes;
const policy = factory ? factory.createPolicy("thamesthrive", rules) : rules;

// The extension for streams looks for it there.
(window as unknown as { htmx: unknown }).htmx = htmx;
htmx.registerExtension("trusted", { init: (api: Api) => api.initSecurity(policy) });

export default htmx;
