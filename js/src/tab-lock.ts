/**
 * The tabs' lock. It is a courtesy that spares requests: the collector stores no event twice, so a
 * tab that does not get its turn soon sends all the same.
 */
import { QUEUE_KEY } from "./storage-keys";

/** How long a tab waits for another's request. */
const PATIENCE = 3e3; // milliseconds

/**
 * Runs `action`, if possible while no other tab of the site runs its own. Resolves at its end, or
 * when the page is left: Chromium grants locks to pages in the back/forward cache, which can't
 * release them, and grants none at all once two have waited there.
 */
export const withTabLock = (action: () => Promise<unknown>): Promise<unknown> => {
  const over = new AbortController();
  const { signal } = over;
  let begun: unknown;
  const turn = new Promise<void>((resolve) => {
    const end = (): void => {
      resolve();
      over.abort();
    };
    const begin = (): unknown => {
      if (!signal.aborted) begun ||= action().finally(end);
      return turn;
    };
    addEventListener("pagehide", end, { signal });
    setTimeout(begin, PATIENCE);
    // Plain http has no `navigator.locks`, and sandboxed frames have one that refuses. Browsers
    // free the lock of a crashed tab within milliseconds.
    (async () => navigator.locks.request(QUEUE_KEY, { signal }, begin))().catch(begin);
  });
  return turn;
};
