/** Keys this tracker owns in the visitor's browser (CONTRACT: identity). */
export const SESSION = "thamesthrive-session-id";
export const PROFILE = "thamesthrive-profile-id";
export const DEVICE = "thamesthrive-device-id";

/** Shared delivery state; each waiting event has a key of its own: `<QUEUE>.<source>.<event id>`. */
export const QUEUE = "thamesthrive-queue";

export const queueKey = (source: string): string => `${QUEUE}.${source}.`;
