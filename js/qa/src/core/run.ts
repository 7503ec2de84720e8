/** The id of a test's run: who reads it should know the test. */
export const runOf = (title: string): string => {
  const words = title.replace(/[^A-Za-z0-9]+/g, "-").replace(/^-|-$/g, "");
  return `${words.slice(0, 40) || "test"}-${crypto.randomUUID().slice(0, 13)}`;
};
