/** Who the visitor is: the ids of profile and device in localStorage. */
import { privateId } from "./ids";
import { endSession } from "./session-cookie";
import { forget, read, write } from "./storage";
import { DEVICE_KEY, PROFILE_KEY } from "./storage-keys";

/** What storage would hold, for pages that have none. */
let memory: Record<string, string | undefined> = {};

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

/** Forgets who the visitor is: from now on it is another one. */
export const forgetVisitor = (): void => {
  memory = {};
  forget(PROFILE_KEY);
  forget(DEVICE_KEY);
  endSession();
};
