import { defineConfig } from "@playwright/test";
import { LAUNCH, SITE } from "./environment";

export default defineConfig({
  fullyParallel: true,
  workers: 2,
  outputDir: "./results",
  use: { baseURL: SITE, launchOptions: LAUNCH },
});
