/**
 * Parts that a build may leave out: `thamesthrive build bundle --features links,views`. Each is a constant that the build
 * defines, so that what is left out is not in the file.
 */
declare global {
  const WITH_CONSENT: boolean;
  const WITH_DEBUG: boolean;
  const WITH_EXTRAS: boolean;
  const WITH_LINKS: boolean;
  const WITH_TRIGGERS: boolean;
  const WITH_UX: boolean;
  const WITH_VIEWS: boolean;
}
export {};
