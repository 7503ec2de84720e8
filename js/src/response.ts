/** What a response says of the events that were sent. */
import { reportError } from "./console";
import { eventId } from "./ids";
import type { Entry, Queue } from "./queue";
import type { Reply } from "./request";
import type { Answer, Note } from "./types";

type Refusal = Omit<Note, "id">;

/** Why the collector refused all of `count` events for good, if it did. */
export const refusalOf = ([status, data, text, headers]: Reply, count: number): Refusal | false =>
  status >= 400 &&
  status < 500 &&
  // These are tried again, 413 in smaller batches.
  ![408, 425, 429, count > 1 && 413].includes(status) && {
    reason: headers!.get("X-Collector-Reason") || "invalid",
    detail: typeof data.detail == "string" ? data.detail : text.slice(0, 200),
  };

/** Settles the events that a response decides. Returns how many it does not. */
export const settle = (
  queue: Queue,
  batch: Entry[],
  [status, data]: Reply,
  refusal: Refusal | false,
): number => {
  const { events, errors = [], warnings = [] } = data;
  const response = { status, data: data as Answer };
  let undecided = 0;
  for (const entry of batch) {
    const id = eventId(entry.key_);
    const isOfEntry = (note: Note): boolean => note.id == id;
    // Of many refused events, the collector lists some only.
    const error = refusal || errors.find(isOfEntry) || (data.unlisted && { reason: "invalid" });
    if (events?.includes(id)) {
      const isDuplicate = warnings.some((note) => isOfEntry(note) && note.duplicate);
      queue.settle_(entry, { stored: true, ...(isDuplicate && { duplicate: true }) }, response);
    } else if (error) {
      const { reason, detail = "" } = error as Refusal;
      if (!refusal) reportError(`not stored: ${reason} ${detail}`);
      queue.settle_(entry, { stored: false, reason, detail }, response);
    } else undecided++;
  }
  return undecided;
};
