/** localStorage, which may be switched off, refused or full: then the callers' memory must do. */
export const storage = { off_: false };

/** Returns the action's result, and undefined where storage is off or the browser refuses. */
export const attempt = <T>(action: () => T): T | undefined => {
  try {
    return storage.off_ ? undefined : action();
  } catch {
    // Sandboxed frames and blocked cookies make every access throw, a full quota each write.
    return;
  }
};

// A property of localStorage does what getItem, setItem and removeItem do, in fewer bytes. That is
// safe because our keys have a prefix, so that none is the name of a method.
export const read = (key: string): string | undefined =>
  attempt(() => localStorage[key] as string | undefined);
export const write = (key: string, value: string): void =>
  attempt(() => {
    localStorage[key] = value;
  });
export const forget = (key: string): unknown => attempt(() => delete localStorage[key]);

/** All keys that begin with `prefix`, sorted. */
export const keys = (prefix: string): string[] =>
  attempt(() =>
    Object.keys(localStorage)
      .filter((key) => key.startsWith(prefix))
      .sort(),
  ) || [];
