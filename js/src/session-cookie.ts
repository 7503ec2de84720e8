/** The session: a cookie that slides 30 minutes from the last activity, shared by all tabs. */
import { privateId } from "./ids";
import { attempt } from "./storage";
import { SESSION_COOKIE } from "./storage-keys";

export const SESSION_LENGTH = 18e5; // milliseconds
const COOKIE_INTERVAL = 1e4; // milliseconds
const CLAIM_LENGTH = 5e3; // milliseconds

let session: string | false | undefined;
/** When the cookie was last read and written. */
let touched = 0;

/** `rest`: the rest of the cookie's name, and its value. */
export const setCookie = (rest: string, seconds: number): void => {
  const secure = location.protocol == "https:" ? ";secure" : "";
  attempt(() => {
    document.cookie = `${SESSION_COOKIE}${rest};path=/;max-age=${seconds};samesite=lax${secure}`;
  });
};

/**
 * The session of the cookie, or of the first tab that claims one. Browsers keep cookies in another
 * process, and each access waits for it: one look finds both.
 */
export const readCookie = (): string | undefined =>
  attempt(() => {
    // A name of the owner's choice may be the end of another cookie's.
    const cookies = FORMER ? "; " + document.cookie : document.cookie;
    const name = FORMER ? "; " + SESSION_COOKIE : SESSION_COOKIE;
    return (cookies.split(name + "=")[1] || cookies.split(name + "-")[1])?.split(/=|;/)[0];
  });

export const sessionId = (): string => {
  const now = Date.now();
  const idle = now - touched;
  // A burst of events costs one access.
  if (!session || Math.abs(idle) > COOKIE_INTERVAL) {
    let claim;
    touched = now;
    // What another tab or the last page set wins. Where cookies are refused, the session is the
    // page's.
    session = readCookie() || (idle < SESSION_LENGTH && session);
    if (!session) {
      // If several tabs begin a session at once, the first one's counts: browsers list cookies in
      // the order they were created, so each tab briefly sets its own and takes the first.
      session = privateId();
      claim = `-${session}=`;
      setCookie(claim, CLAIM_LENGTH / 1e3);
      session = readCookie() || session;
    }
    setCookie("=" + session, SESSION_LENGTH / 1e3);
    if (claim) setCookie(claim, 0);
  }
  return session;
};

/** Makes the next `sessionId` look at the cookie again, because what may be stored has changed. */
export const renewSession = (): void => {
  session = "";
};

/** Removes the cookie: the next `sessionId` begins another session. */
export const endSession = (): void => {
  setCookie("=", 0);
  renewSession();
};
