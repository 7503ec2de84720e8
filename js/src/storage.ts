/**
 * localStorage, and memory for what it does not take: it may be switched off, refused or full.
 */
let off = false;

export const switchOff = (value: boolean): void => {
  off = value;
};

/** Returns the action's result, and undefined where storage is off or the browser refuses. */
export const attempt = <T>(action: () => T): T | undefined => {
  try {
    return off ? undefined : action();
  } catch {
    // Sandboxed frames and blocked cookies make every access throw, a full quota each write.
    return;
  }
};

/** What this page has written. */
const memory: Record<string, string | undefined> = {};

// A property of localStorage does what getItem, setItem and removeItem do, in fewer bytes. That is
// safe because our keys have a prefix, so that none is the name of a method.
export const read = (key: string): string | undefined =>
  attempt(() => localStorage[key] as string | undefined) || memory[key];
export const write = (key: string, value: string): string => {
  attempt(() => {
    localStorage[key] = value;
  });
  return (memory[key] = value);
};
export const forget = (key: string): void => {
  delete memory[key];
  attempt(() => delete localStorage[key]);
};

/** All keys of localStorage that begin with `prefix`. */
export const keys = (prefix: string): string[] =>
  attempt(() => Object.keys(localStorage).filter((key) => key.startsWith(prefix))) || [];
