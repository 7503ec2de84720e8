/**
 * What a build may leave out: `thamesthrive build bundle --features links,views`. The build defines
 * each of these constants, and drops the code behind one that is false.
 */
declare global {
  const WITH_CONSENT: boolean;
  const WITH_DEBUG: boolean;
  const WITH_EXTRAS: boolean;
  const WITH_LINKS: boolean;
  const WITH_TRIGGERS: boolean;
  const WITH_UX: boolean;
  const WITH_VIEWS: boolean;
  /**
   * Empty but for the build that the collector serves under names of the owner's own. There it is
   * what the names in the browser began with before, with blanks between, and the collector writes
   * it: see collector/aliased_bundle.py.
   */
  const FORMER: string;
}
export {};
