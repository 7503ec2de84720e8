/** What is imported of others, as far as it is used. */

declare module "@duckduckgo/autoconsent/rules/rules.json" {
  import type { AutoConsentCMPRule } from "@duckduckgo/autoconsent";
  const rules: { autoconsent: AutoConsentCMPRule[] };
  export default rules;
}
