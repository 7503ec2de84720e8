/** A shop's suite as a user would write it. All of it passes. */
import { expect, test } from "@thamesthrive/qa/playwright";
import { COLLECTOR, SITE, SOURCE } from "./environment";

const event = (type: string, properties: object): object => ({
  source: { id: SOURCE },
  events: [{ type, properties }],
});

test("buying stores one order", async ({ page }) => {
  await page.goto("/shop.html");
  await page.click("#buy");
  await expect(page).toHaveTracked("purchase-order", { price: 13.45 }, { times: 1 });
});

test("what is expected may be a part, and matchers", async ({ page }) => {
  await page.goto("/shop.html");
  await page.click("#buy");
  await expect(page).toHaveTracked("purchase-order", {
    price: expect.any(Number),
    product: expect.stringMatching(/^Sun/),
    customer: expect.objectContaining({ country: "GB" }),
    items: [{ sku: "A1" }],
    coupon: undefined,
  });
  await expect(page).toHaveTracked(
    "purchase-order",
    { product: /glasses/ },
    { context: { page: { path: "/shop.html" } } },
  );
});

test("looking stores no order", async ({ page }) => {
  await page.goto("/shop.html");
  await expect(page).not.toHaveTracked("purchase-order");
  await expect(page).toHaveTracked("page-view", {}, { times: 1 });
});

test("an order of another price is not the one", async ({ page }) => {
  await page.goto("/shop.html");
  await page.click("#buy");
  await expect(page).not.toHaveTracked("purchase-order", { price: 99 });
  await expect(page).toHaveTracked("purchase-order", { price: 13.45 });
});

test("buying twice stores two orders", async ({ page }) => {
  await page.goto("/shop.html");
  await page.click("#buy");
  await page.click("#buy");
  await expect(page).toHaveTracked("purchase-order", {}, { times: 2 });
  await expect(page).not.toHaveTracked("purchase-order", {}, { times: 1 });
});

test("an event that takes a while is awaited", async ({ page }) => {
  await page.goto("/shop.html");
  await page.click("#later");
  await expect(page).toHaveTracked("newsletter");
});

test("what is tracked while the page is left is stored", async ({ page }) => {
  await page.goto("/shop.html");
  await page.click("#leave");
  await page.waitForURL("**/empty.html");
  await expect(page).toHaveTracked("left", { to: "/empty.html" }, { times: 1 });
});

test("steps come in their order", async ({ page }) => {
  await page.goto("/shop.html");
  await page.click("#later");
  await expect(page).toHaveTracked("newsletter");
  await page.click("#buy");
  await expect(page).toHaveTrackedInOrder([
    "page-view",
    ["newsletter"],
    { type: "purchase-order", properties: { price: 13.45 } },
  ]);
  await expect(page).not.toHaveTrackedInOrder(["purchase-order", "newsletter"]);
});

test("an order without a price is rejected", async ({ page }) => {
  await page.goto("/shop.html");
  await page.click("#free");
  await expect(page).toHaveRejected("purchase-order", { pointer: "/properties/price" });
  await expect(page).not.toHaveRejected("page-view");
  await expect(page).not.toHaveTracked("purchase-order");
});

test("a server's event belongs to the test that caused it", async ({ request, tracking }) => {
  await request.post(`${COLLECTOR}/track`, {
    headers: tracking.headers,
    data: event("refund", { price: 13.45 }),
  });
  await expect(tracking).toHaveTracked("refund", { price: 13.45 }, { times: 1 });
  expect(await tracking.events("refund")).toHaveLength(1);
});

test("a second visitor of the same test belongs to it", async ({ browser, page, tracking }) => {
  const other = await browser.newContext({ baseURL: SITE });
  await tracking.attach(other);
  await page.goto("/shop.html");
  const second = await other.newPage();
  await second.goto("/shop.html");
  await expect(second).toHaveTracked("page-view", {}, { times: 2 });
  const views = await tracking.events("page-view");
  expect(new Set(views.map((view) => view.session_id)).size).toBe(2);
  await other.close();
});

test("calls of pages reach the tracker unchanged", async ({ page }) => {
  await page.goto("/early.html");
  await expect(page).toHaveTrackedInOrder([["early", { n: 1 }], "late"]);
  const result = await page.evaluate(`window.tracker.track("asked", {}, { fire: true })`);
  expect(result).toMatchObject({ stored: true });
});
