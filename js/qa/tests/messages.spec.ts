/**
 * An expectation of each of these fails, for the reason in the title. What it says is kept for
 * tests/qa_kit/. The test itself passes: Playwright starts another browser after one that fails.
 */
import { expect, test } from "@thamesthrive/qa/playwright";
import { COLLECTOR, NOBODY } from "./environment";

// For what never comes. What the message shows of events that did come is awaited before.
const SOON = { timeout: 1500 };

const fails = async (expectation: Promise<unknown>): Promise<void> => {
  const description = await expectation.then(
    () => "it held",
    (error: Error) => error.message,
  );
  test.info().annotations.push({ type: "said", description });
};

test("not called", async ({ page }) => {
  await page.goto("/shop.html");
  await fails(expect(page).toHaveTracked("refund", {}, SOON));
});

test("another price", async ({ page }) => {
  await page.goto("/shop.html");
  await page.click("#buy");
  await expect(page).toHaveTracked("purchase-order");
  const wanted = { price: 99, product: expect.any(Number), coupon: "X", items: [{ sku: "A1" }] };
  await fails(expect(page).toHaveTracked("purchase-order", wanted, SOON));
});

test("twice", async ({ page }) => {
  await page.goto("/shop.html");
  await page.click("#buy");
  await page.click("#buy");
  await fails(expect(page).toHaveTracked("purchase-order", {}, { times: 1 }));
});

test("twice, the second time at the last moment", async ({ page }) => {
  await page.goto("/again.html");
  await fails(expect(page).toHaveTracked("vote", {}, { times: 1 }));
});

test("once", async ({ page }) => {
  await page.goto("/shop.html");
  await page.click("#buy");
  await expect(page).toHaveTracked("purchase-order");
  await fails(expect(page).toHaveTracked("purchase-order", {}, { times: 2, ...SOON }));
});

test("though it should not", async ({ page }) => {
  await page.goto("/shop.html");
  await page.click("#buy");
  await fails(expect(page).not.toHaveTracked("purchase-order"));
});

test("another order", async ({ page }) => {
  await page.goto("/shop.html");
  await expect(page).toHaveTracked("page-view");
  await fails(expect(page).toHaveTrackedInOrder(["page-view", "purchase-order"], SOON));
});

test("rejected", async ({ page, tracking }) => {
  tracking.allowRejected();
  await page.goto("/shop.html");
  await page.click("#free");
  await expect(page).toHaveRejected("purchase-order");
  await fails(expect(page).toHaveTracked("purchase-order", {}, SOON));
});

test("not rejected", async ({ page }) => {
  await page.goto("/shop.html");
  await expect(page).toHaveTracked("page-view");
  await fails(expect(page).toHaveRejected("purchase-order", { reason: "invalid", ...SOON }));
});

test("another name", async ({ page }) => {
  await page.goto("/shop.html");
  await page.click("#buy");
  await expect(page).toHaveTracked("purchase-order");
  await fails(expect(page).toHaveTracked("purchaseOrder", {}, SOON));
});

test("requests blocked", async ({ page }) => {
  await page.goto("/no-requests.html");
  await fails(expect(page).toHaveTracked("page-view", {}, SOON));
});

test("script blocked", async ({ page }) => {
  await page.goto("/no-script.html");
  await fails(expect(page).toHaveTracked("page-view", {}, SOON));
});

test("by a blocker", async ({ page }) => {
  await page.route(`${COLLECTOR}/track`, (route) => route.abort("blockedbyclient"));
  await page.goto("/shop.html");
  await fails(expect(page).toHaveTracked("page-view", {}, SOON));
});

test("held", async ({ page }) => {
  await page.goto("/consent.html");
  await fails(expect(page).toHaveTracked("page-view", {}, SOON));
});

test("unknown source", async ({ page, tracking }) => {
  tracking.allowRejected();
  await page.goto("/stranger.html");
  await fails(expect(page).toHaveTracked("page-view", {}, SOON));
});

test("no snippet", async ({ page }) => {
  await page.goto("/empty.html");
  await fails(expect(page).toHaveTracked("page-view", {}, SOON));
});

test("another run", async ({ page }) => {
  await page.goto("/own-run.html");
  await fails(expect(page).toHaveTracked("page-view", {}, SOON));
});

test("a server's event that never came", async ({ tracking }) => {
  await fails(expect(tracking).toHaveTracked("refund", {}, SOON));
});

test("a context of nobody", async ({ browser }) => {
  const context = await browser.newContext();
  await fails(expect(context).toHaveTracked("page-view"));
  await context.close();
});

test.describe(() => {
  test.use({ trackingCollector: NOBODY });
  test("no collector", async ({ tracking }) => {
    tracking.allowRejected();
    await fails(expect(tracking).toHaveTracked("page-view", {}, SOON));
  });
});
