/**
 * Builds the kit into `dist`, or into the folder that is given: `npm run build --prefix js/qa`.
 */
import { build } from "esbuild";
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const out = resolve(process.argv[2] ?? `${here}dist`);
rmSync(out, { recursive: true, force: true });
// CommonJS: specs may be of either kind, and Cypress bundles both.
await build({
  absWorkingDir: here,
  entryPoints: ["src/index.ts", "src/playwright.ts", "src/cypress.ts"],
  outdir: out,
  bundle: true,
  format: "cjs",
  platform: "node",
  target: "node20",
  external: ["@playwright/test"],
  logLevel: "warning",
});
const compiler = fileURLToPath(new URL("../node_modules/.bin/tsc", import.meta.url));
const types = ["--noEmit", "false", "--emitDeclarationOnly", "--declaration", "--outDir", out];
execFileSync(compiler, ["-p", "tsconfig.build.json", "--rootDir", "src", ...types], {
  cwd: here,
  stdio: "inherit",
});
