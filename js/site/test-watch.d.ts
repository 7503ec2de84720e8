/**
 * On test pages, before and after the snippet: notes what is tracked, sent and answered. It looks from outside, as somebody with
 * the browser's tools would; the tracker does not know of it.
 */
import type { TrackResult } from "../src/types";
export interface Tracked {
    type: string;
    properties: unknown;
    result?: TrackResult;
}
export interface Sent {
    types: string[];
    ids: string[];
    bytes: number;
    /** 0 while there is no answer, -1 where there will be none. */
    status: number;
    answer: string;
    errors: {
        id?: string;
        reason: string;
        detail?: string;
    }[];
}
export interface Watched {
    tracked: Tracked[];
    sent: Sent[];
    /** To be called once the snippet has run. */
    after(): void;
}
