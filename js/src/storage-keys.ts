/**
 * Names that the tracker owns in the browser. Released versions share them: none may change. Under
 * an alias the collector replaces what they begin with.
 */
export const KEYS = "thamesthrive-";
export const SESSION_COOKIE = "thamesthrive-session-id";
export const PROFILE_KEY = "thamesthrive-profile-id";
export const DEVICE_KEY = "thamesthrive-device-id";

/**
 * The key of the pause after failures, and the name of the tabs' lock. Each waiting event has a key
 * below it.
 */
export const QUEUE_KEY = "thamesthrive-queue";

/** What the keys of a source's waiting events begin with; the key of the call (ids.ts) follows. */
export const queuePrefix = (sourceId: string): string => `${QUEUE_KEY}.${sourceId}.`;
