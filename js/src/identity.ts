import { privateId } from "./ids";
import { DEVICE, PROFILE, SESSION } from "./names";
import { read, storage, write } from "./storage";

let session = "";
let touched = 0;
let profile: string | null = null;
let device: string | null = null;

/** The visit: a cookie that slides 30 minutes from the last activity, shared by all tabs. */
export const sessionId = (): string => {
  // Reading and writing a cookie crosses processes, so it is not done for each of a burst of events.
  if (!session || Date.now() - touched > 1e4) {
    touched = Date.now();
    if (!storage.off) {
      // What another tab or the last page set wins; a session that has run out is not revived from memory.
      const known = document.cookie.split("; ").find((cookie) => cookie.startsWith(SESSION + "="));
      session = known ? known.slice(SESSION.length + 1) : privateId();
      document.cookie = `${SESSION}=${session};path=/;max-age=1800;samesite=lax${location.protocol == "https:" ? ";secure" : ""}`;
    }
  }
  return (session ||= privateId());
};

export const profileId = (): string | null => (profile = read(PROFILE) || profile);

export const adoptProfile = (id: string): void => {
  if (id != profileId()) write(PROFILE, (profile = id));
};

export const deviceId = (): string => {
  device = read(DEVICE) || device;
  if (!device) write(DEVICE, (device = privateId()));
  return device;
};
