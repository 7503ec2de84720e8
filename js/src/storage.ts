/** localStorage that may be refused, full, or switched off: then everything works in memory, for this page. */
export const storage = { off_: false };

export const attempt = <T>(action: () => T): T | undefined => {
  try {
    return storage.off_ ? undefined : action();
  } catch {
    return; // refused (sandboxed frame, privacy mode) or full
  }
};

export const read = (key: string): string | undefined =>
  attempt(() => localStorage[key] as string | undefined);
export const write = (key: string, value: string): unknown =>
  attempt(() => (localStorage[key] = value));
export const forget = (key: string): unknown => attempt(() => delete localStorage[key]);
export const keys = (prefix: string): string[] =>
  attempt(() =>
    Object.keys(localStorage)
      .filter((key) => key.startsWith(prefix))
      .sort(),
  ) || [];
