/** The session: a cookie that slides 30 minutes from the last activity, shared by all tabs. */
import { privateId } from "./ids";
import { attempt } from "./storage";
import { SESSION_COOKIE } from "./storage-keys";

const SESSION_LENGTH = 18e5; // milliseconds
const COOKIE_INTERVAL = 1e4; // milliseconds

let session: string | undefined;
/** When the cookie was last read and written. */
let touched = 0;

const setCookie = (value: string, seconds: number): void => {
  const secure = location.protocol == "https:" ? ";secure" : "";
  document.cookie = `${SESSION_COOKIE}=${value};path=/;max-age=${seconds};samesite=lax${secure}`;
};

export const sessionId = (): string => {
  const now = Date.now();
  const idle = now - touched;
  // Browsers keep cookies in another process, and each access waits for it: a burst of events
  // costs one access.
  if (!session || idle > COOKIE_INTERVAL) {
    touched = now;
    // What another tab or the last page set wins. Where cookies are refused, the session is the
    // page's.
    const cookie = attempt(() => document.cookie.split(SESSION_COOKIE + "=")[1]);
    const known = cookie ? cookie.split(";")[0] : idle < SESSION_LENGTH && session;
    session = known || privateId();
    attempt(() => setCookie(session as string, SESSION_LENGTH / 1e3));
  }
  return session;
};

/** Makes the next `sessionId` look at the cookie again, because what may be stored has changed. */
export const renewSession = (): void => {
  session = "";
};

/** Removes the cookie: the next `sessionId` begins another session. */
export const endSession = (): void => {
  renewSession();
  attempt(() => setCookie("", 0));
};
