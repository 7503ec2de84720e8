/** What pages have reported. */
import type { Fact } from "./page";
import type { BrowserFacts, TrackedCall } from "./types";

export class Seen {
  readonly #calls = new Map<string, TrackedCall>();
  readonly blocked: BrowserFacts["blocked"] = [];

  get calls(): TrackedCall[] {
    return [...this.#calls.values()];
  }

  keep(fact: Fact): void {
    if (fact.what == "blocked") this.blocked.push({ url: fact.url, why: fact.why });
    else if (fact.what == "call") {
      this.#calls.set(fact.key, { type: fact.type, properties: fact.properties });
    } else {
      const call = this.#calls.get(fact.key);
      if (call) call.result = fact;
    }
  }
}
