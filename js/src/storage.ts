/** localStorage that may be refused, full, or switched off: then everything works in memory, for this page. */
export const storage = { off: false };

const attempt = <T>(action: () => T): T | undefined => {
  try {
    return storage.off ? undefined : action();
  } catch {
    return; // refused (sandboxed frame, privacy mode) or full
  }
};

export const read = (key: string): string | null | undefined => attempt(() => localStorage.getItem(key));
export const write = (key: string, value: string): unknown => attempt(() => localStorage.setItem(key, value));
export const forget = (key: string): unknown => attempt(() => localStorage.removeItem(key));
export const keys = (prefix: string): string[] =>
  attempt(() => Object.keys(localStorage).filter((key) => key.startsWith(prefix)).sort()) || [];
