/** The core of the kit: what Playwright's and Cypress' parts share, for other test runners. */
export * from "./core/chain";
export * from "./core/match";
export * from "./core/message";
export * from "./core/procedures";
export type * from "./core/types";
