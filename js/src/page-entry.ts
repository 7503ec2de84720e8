/** `page.min.js`: begins with what the core has put on its script element. */
import { startPage, type Part } from "./page-features";

const { given, nonce } = document.currentScript as HTMLScriptElement & { given: Part };
startPage({ ...given, nonce });
