/** The entry of `page.min.js`: reads what tracker.ts has put on its script element. */
import { type PageFeatures, startPageFeatures } from "./page-features";

const { given, nonce } = document.currentScript as HTMLScriptElement & { given: PageFeatures };
startPageFeatures(given, nonce);
