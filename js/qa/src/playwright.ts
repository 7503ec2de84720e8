/**
 * Playwright Test with a run for each test: `import { test, expect } from
 * "@thamesthrive/qa/playwright"`.
 */
import {
  type PlaywrightTestArgs,
  type PlaywrightTestOptions,
  type PlaywrightWorkerArgs,
  type PlaywrightWorkerOptions,
  test as base,
  type TestType,
} from "@playwright/test";
import { COLLECTOR, runOf } from "./core/run";
import { Tracking } from "./playwright/tracking";

export { expect } from "./playwright/matchers";
export type { RejectedOptions, Step, TrackedOptions } from "./playwright/matchers";
export { Tracking, type Tracked, type TrackingOptions } from "./playwright/tracking";
export type { StoredEvent, RejectedEvent } from "./core/types";

export interface TrackingFixtures {
  /** The run of this test. */
  tracking: Tracking;
}

/** What `use` of the configuration may set. */
export interface TrackingUse {
  /**
   * The address of a collector that was started with `--qa`. By default that of the environment
   * variable THAMESTHRIVE_COLLECTOR, or http://127.0.0.1:8686.
   */
  trackingCollector: string;
  /**
   * A token for a collector on another machine. By default that of the environment variable
   * THAMESTHRIVE_TOKEN.
   */
  trackingToken: string;
  /** Milliseconds without a request of the run after which "there is none" counts. @default 300 */
  trackingIdle: number;
}

declare const process: { env: Record<string, string | undefined> };
const { THAMESTHRIVE_COLLECTOR, THAMESTHRIVE_TOKEN } = process.env;

/** Playwright's `test` with the fixtures of the kit. */
export const test: TestType<
  PlaywrightTestArgs & PlaywrightTestOptions & TrackingFixtures & TrackingUse,
  PlaywrightWorkerArgs & PlaywrightWorkerOptions
> = base.extend<TrackingFixtures & TrackingUse>({
  trackingCollector: [THAMESTHRIVE_COLLECTOR ?? COLLECTOR, { option: true }],
  trackingToken: [THAMESTHRIVE_TOKEN ?? "", { option: true }],
  trackingIdle: [300, { option: true }],

  tracking: async ({ trackingCollector, trackingToken, trackingIdle }, use, testInfo) => {
    const tracking = new Tracking(runOf(testInfo.title), {
      collector: trackingCollector,
      token: trackingToken,
      idle: trackingIdle,
    });
    testInfo.annotations.push({ type: "tracking run", description: tracking.run });
    await use(tracking);
    // One failure is enough: the second would be about a test that ended early.
    if (testInfo.errors.length == 0) await tracking.judge();
  },

  context: async ({ context, tracking }, use) => {
    await tracking.attach(context);
    await use(context);
    await tracking.leave(context);
  },
});
