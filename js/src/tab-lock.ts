import { QUEUE_KEY } from "./storage-keys";

/** Runs `action` while no other tab of the site runs its own. */
export const withTabLock = async (action: () => Promise<void>): Promise<void> => {
  let started = false;
  try {
    // Browsers free the lock of a crashed tab within milliseconds, so it holds up no other.
    await navigator.locks.request(QUEUE_KEY, () => {
      started = true;
      return action();
    });
  } catch {
    // Sandboxed frames refuse locks, and plain http has no `navigator.locks`.
  }
  if (!started) await action();
};
