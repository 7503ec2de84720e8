let lastError: unknown;

/** Tells the page's owner what went wrong, once as long as it stays the same. */
export const reportError = (message: unknown): void => {
  if (message != lastError) console.error("[ThamesThrive]", message);
  lastError = message;
};
