/** The key of the last call before its point. */
let last = 0;

/**
 * Identifies a call of `track` in this browser, and sorts in the order of the calls. For example
 * "17000000001230070.123456789012345": 13 digits of milliseconds, 3 that count the page's calls,
 * then "0." and 15 random digits. The inline loader has no room for more. The event's UUID follows
 * from it, so that whoever sends the event gives it the same id.
 */
export const callKey = (): string => {
  // Also when the clock is put back.
  last = Math.max(last + 1, Date.now() * 1e3);
  return last + Math.random().toFixed(15);
};

/** Makes the keys to come greater than that of an older call, also if the clock was put back. */
export const followKey = (key: string): void => {
  last = Math.max(last, +key.slice(0, 16));
};

/** Milliseconds since 1970 at which a call was made. */
export const timeOf = (key: string): number => +key.slice(0, 13);

/**
 * The UUIDv7 of a call: 12 hexadecimal digits of time, the version, 3 digits of the count, the
 * variant, 15 random digits. Decimal digits are valid hexadecimal ones. `crypto.randomUUID` would
 * not do: it is missing on plain http, and makes version 4 only. These ids are unique and sortable,
 * not secret; see `privateId`.
 */
export const eventId = (key: string): string =>
  "0" +
  timeOf(key).toString(16).replace(/.{7}/, "$&-") +
  "-7" +
  key.slice(13, 16) +
  key.slice(18).replace(/.{3}/, "-8$&-");

/**
 * A UUIDv7 that nobody can guess. A session's id has to be one: whoever knows it is answered with
 * the session's profile.
 */
export const privateId = (): string =>
  eventId(callKey()).slice(0, 14) +
  "7000-8000-000000000000".replace(/0/g, () =>
    ((crypto.getRandomValues(new Uint8Array(1))[0] as number) & 15).toString(16),
  );
