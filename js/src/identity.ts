/** Who the visitor is: the session's cookie, and the ids of profile and device in localStorage. */
import { privateId } from "./ids";
import { DEVICE_KEY, PROFILE_KEY, SESSION_COOKIE } from "./storage-keys";
import { attempt, forget, read, write } from "./storage";

const SESSION_LENGTH = 18e5; // milliseconds
const COOKIE_INTERVAL = 1e4; // milliseconds

let session: string | undefined;
/** When the cookie was last read and written. */
let touched = 0;
/** What storage would hold, for pages that have none. */
let memory: Record<string, string | undefined> = {};

const setCookie = (value: string, seconds: number): void => {
  const secure = location.protocol == "https:" ? ";secure" : "";
  document.cookie = `${SESSION_COOKIE}=${value};path=/;max-age=${seconds};samesite=lax${secure}`;
};

/** The session: a cookie that slides 30 minutes from the last activity, shared by all tabs. */
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

const recall = (key: string): string | undefined => {
  memory[key] = read(key) || memory[key];
  return memory[key];
};

const remember = (key: string, value: string): string => {
  memory[key] = value;
  write(key, value);
  return value;
};

export const profileId = (): string | null => recall(PROFILE_KEY) || null;

/** Takes over the profile id of a response. */
export const adoptProfile = (id: string): void => {
  if (id != profileId()) remember(PROFILE_KEY, id);
};

export const deviceId = (): string => recall(DEVICE_KEY) || remember(DEVICE_KEY, privateId());

/** Makes the next `sessionId` look at the cookie again, because what may be stored has changed. */
export const renewSession = (): void => {
  session = "";
};

/** Forgets who the visitor is: from now on it is another one. */
export const forgetVisitor = (): void => {
  renewSession();
  memory = {};
  [PROFILE_KEY, DEVICE_KEY].forEach(forget);
  attempt(() => setCookie("", 0));
};
