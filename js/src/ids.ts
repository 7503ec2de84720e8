/**
 * What identifies a call of `track` on this browser, and sorts in the order of the calls: 16 digits of microseconds, which
 * count the calls of the page within a millisecond, and a random fraction. The inline loader has room for no more; the
 * event's UUID is made of it, always the same one, by whoever sends it.
 */
export const callKey = (count: number): string =>
  Date.now() * 1e3 + count + Math.random().toFixed(15);

/** Milliseconds since 1970 at which a call was made. */
export const timeOf = (key: string): number => +key.slice(0, 13);

/**
 * The UUIDv7 of a call. Decimal digits are hexadecimal ones too. `crypto.randomUUID` is missing on plain http and makes
 * version 4 only. These ids are unique and sortable, not secret; `privateId` is for those that must be.
 */
export const eventId = (key: string): string =>
  "0" +
  timeOf(key).toString(16).replace(/.{7}/, "$&-") +
  "-7" +
  key.slice(13, 16) +
  key.slice(18).replace(/.{3}/, "-8$&-");

/** A UUIDv7 that nobody can guess: whoever knows a session's id is answered with its profile. */
export const privateId = (): string =>
  eventId(callKey(0)).slice(0, 14) +
  "7000-8000-000000000000".replace(/0/g, () =>
    ((crypto.getRandomValues(new Uint8Array(1))[0] as number) & 15).toString(16),
  );
