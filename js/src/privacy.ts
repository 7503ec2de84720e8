/** The visitor's browser says no: Do Not Track or Global Privacy Control. */
export const refusesTracking = (): boolean | undefined =>
  +(navigator.doNotTrack as string) > 0 ||
  (navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl;
