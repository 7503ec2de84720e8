/** The pause after failed requests. All tabs of the site share it through storage. */
import { QUEUE_KEY } from "./storage-keys";
import { read, write } from "./storage";

const FIRST_DELAY = 1e3; // milliseconds
const MAX_DELAY = 3e5; // milliseconds

/** When requests may be sent again: milliseconds since 1970. */
let until = 0;
/** The delay that the pause was made of, in milliseconds; 0 without one. */
let delay = 0;

const pause = (milliseconds: number, newDelay: number): void => {
  until = milliseconds + Date.now();
  delay = newDelay;
  write(QUEUE_KEY, until + " " + delay);
};

/** Milliseconds until requests may be sent again; zero or less when they may be now. */
export const readPause = (): number => {
  const shared = read(QUEUE_KEY);
  if (shared) [until, delay] = shared.split(" ").map(Number) as [number, number];
  return until - Date.now();
};

/**
 * After a failure: pauses twice as long as last time, and as long as the response asks for. Returns
 * the pause in milliseconds.
 */
export const extendPause = (headers: Headers | undefined): number => {
  readPause(); // Another tab may have failed meanwhile.
  const retryAfter = headers?.get("Retry-After") as string; // seconds or a date
  const doubled = Math.min(delay * 2 || FIRST_DELAY, MAX_DELAY);
  const asked = +retryAfter * 1e3 || Date.parse(retryAfter) - Date.now() || 0;
  // With jitter, so that tabs and visitors do not all come back at once.
  const milliseconds = Math.max(asked, doubled * (0.5 + Math.random() / 2));
  pause(milliseconds, doubled);
  return milliseconds;
};

/** Ends the pause that this tab knows of. */
export const endPause = (): void => {
  if (delay) pause(0, 0);
};
