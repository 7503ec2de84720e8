import { privateId } from "./ids";
import { DEVICE, PROFILE, SESSION } from "./storage-keys";
import { attempt, forget, read, write } from "./storage";

const VISIT = 18e5; // milliseconds

let session = "";
let touched = 0;
/** What storage would hold, for pages that have none. */
let memory: Record<string, string | undefined> = {};

const setCookie = (value: string, seconds: number): void => {
  document.cookie = `${SESSION}=${value};path=/;max-age=${seconds};samesite=lax${location.protocol == "https:" ? ";secure" : ""}`;
};

/** The visit: a cookie that slides 30 minutes from the last activity, shared by all tabs. */
export const sessionId = (): string => {
  const idle = Date.now() - touched;
  // Reading and writing a cookie crosses processes, so it is not done for each of a burst of events.
  if (!session || idle > 1e4) {
    touched += idle;
    // What another tab or the last page set wins. Where cookies are refused the visit is that of the page.
    const known = attempt(() => document.cookie.split(SESSION + "=")[1]);
    session = known ? known.split(";")[0]! : (idle < VISIT && session) || privateId();
    attempt(() => setCookie(session, VISIT / 1e3));
  }
  return session;
};

const recall = (name: string): string | undefined => (memory[name] = read(name) || memory[name]);
const remember = (name: string, value: string): string => (
  write(name, (memory[name] = value)),
  value
);

export const profileId = (): string | null => recall(PROFILE) || null;
export const adoptProfile = (id: string): unknown => id != profileId() && remember(PROFILE, id);
export const deviceId = (): string => recall(DEVICE) || remember(DEVICE, privateId());

/** Looks for the visit anew: what may be stored has changed. */
export const newVisit = (): string => (session = "");

/** From now on the visitor is somebody else. */
export const forgetVisitor = (): void => {
  newVisit();
  memory = {};
  [PROFILE, DEVICE].map(forget);
  attempt(() => setCookie("", 0));
};
