/** The pause after failed requests. All tabs of the site share it through storage. */
import { QUEUE_KEY } from "./storage-keys";
import { forget, read, write } from "./storage";

const FIRST_DELAY = 1e3; // milliseconds
const MAX_DELAY = 3e5; // milliseconds

/** How long requests have to wait yet, zero or less when not at all, and out of which delay. */
const look = (): [rest: number, delay: number] => {
  const [until, delay] = (read(QUEUE_KEY) || "0 0").split(" ").map(Number) as [number, number];
  const rest = until - Date.now();
  // More than the whole of it remains when a clock that was ahead has been put right.
  return [rest > delay ? 0 : rest, delay];
};

/** Milliseconds until requests may be sent again; zero or less when they may be now. */
export const readPause = (): number => look()[0];

/** After a failure: pauses twice as long as last time, or as long as the response asks for. */
export const extendPause = (headers: Headers | undefined): void => {
  const [rest, last] = look();
  const retryAfter = headers?.get("Retry-After") as string; // seconds or a date
  const asked = +retryAfter * 1e3 || Date.parse(retryAfter) - Date.now() || 0;
  // Requests that failed together count once.
  if (rest > 0 && asked <= rest) return;
  const delay = Math.min(Math.max(asked, last * 2 || FIRST_DELAY), MAX_DELAY);
  // With jitter, so that tabs and visitors do not all come back at once.
  const milliseconds = asked > 0 ? delay : delay * (0.5 + Math.random() / 2);
  write(QUEUE_KEY, Date.now() + milliseconds + " " + delay);
};

/** Ends the pause of all tabs. */
export const endPause = (): void => forget(QUEUE_KEY);
