/**
 * Whether the browser asks not to track: Do Not Track or Global Privacy Control. `doNotTrack` is
 * "1" in Chromium and Firefox; WebKit has dropped it.
 */
export const refusesTracking = (): boolean | undefined =>
  +(navigator.doNotTrack as string) > 0 ||
  (navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl;
