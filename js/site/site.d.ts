/** What every page of the documentation does: colours, copying, the reader's own values, and opening the search. */
export {};
