/** The collector that is asked if nobody names another one. */
export const COLLECTOR = "http://127.0.0.1:8686";

/** The command that shows a run again. */
export const showCommand = (run: string, collector: string): string =>
  `thamesthrive qa show ${run}${collector == COLLECTOR ? "" : ` --url ${collector}`}`;

/** The id of a test's run: who reads it should know the test. */
export const runOf = (title: string): string => {
  const words = title.replace(/[^A-Za-z0-9]+/g, "-").replace(/^-|-$/g, "");
  return `${words.slice(0, 40) || "test"}-${crypto.randomUUID().slice(0, 13)}`;
};
