/** Both fail at their end, by themselves. tests/qa_kit/ looks at what they say. */
import { expect, test } from "@thamesthrive/qa/playwright";

test("rejected unnoticed", async ({ page }) => {
  await page.goto("/shop.html");
  await page.click("#free");
});

test("refused unnoticed", async ({ page }) => {
  await page.goto("/stranger.html");
});

test("in the middle", async ({ page }) => {
  await page.goto("/shop.html");
  await expect(page).toHaveTracked("refund", {}, { timeout: 500 });
});
