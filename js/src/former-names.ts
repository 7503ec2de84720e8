/**
 * Only in the build for names of the owner's own (`alias`, see features.ts): visitors and events
 * of pages that had other names go on under the new ones. They are moved, not copied: what
 * `reset` or a refused consent forgets must not come back from a copy. What there is under the
 * new names already stays: pages with the former ones may have begun a visitor of their own since.
 */
import { readCookie, SESSION_LENGTH, setCookie } from "./session-cookie";
import { attempt } from "./storage";
import { KEYS } from "./storage-keys";

const adoptSession = (former: string): void => {
  const name = former + "session-id=";
  const id = ("; " + document.cookie).split("; " + name)[1]?.split(";")[0];
  if (id && !readCookie()) {
    setCookie("=" + id, SESSION_LENGTH / 1e3);
    document.cookie = name + ";path=/;max-age=0";
  }
};

/** Where storage is off or refused, nothing is moved. A full quota leaves the rest for later. */
export const adoptFormerNames = (sourceId: string): void => {
  for (const former of FORMER.split(" ")) {
    // The alias may keep the names of before, and change addresses only.
    if (former == KEYS) continue;
    attempt(() => adoptSession(former));
    attempt(() => {
      for (const key of Object.keys(localStorage)) {
        const rest = key.slice(former.length);
        const name = KEYS + rest;
        // Events of other sources are left to their own pages, which may keep the former names.
        const isOurs =
          /^(profile-id|device-id|queue)$/.test(rest) || rest.startsWith(`queue.${sourceId}.`);
        if (isOurs && key.startsWith(former) && !(name in localStorage)) {
          localStorage[name] = localStorage[key];
          delete localStorage[key];
        }
      }
    });
  }
};
