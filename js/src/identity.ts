/** Who the visitor is: the ids of profile and device in localStorage. */
import { privateId } from "./ids";
import { endSession } from "./session-cookie";
import { forget, read, write } from "./storage";
import { DEVICE_KEY, PROFILE_KEY } from "./storage-keys";

export const profileId = (): string | null => read(PROFILE_KEY) || null;

/** Takes over the profile id of a response. */
export const adoptProfile = (id: string): string => write(PROFILE_KEY, id);

export const deviceId = (): string => read(DEVICE_KEY) || write(DEVICE_KEY, privateId());

/** Forgets who the visitor is: from now on it is another one. */
export const forgetVisitor = (): void => {
  forget(PROFILE_KEY);
  forget(DEVICE_KEY);
  endSession();
};
