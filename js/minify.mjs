/**
 * node minify.mjs FILE…
 *
 * Minifies what esbuild has minified once more, and continues its source maps. Terser inlines
 * functions and names variables function by function, which compresses better: it takes 5 %
 * off the tracker, and so pays for sources in small functions.
 */
import { readFile, writeFile } from "node:fs/promises";
import { minify } from "terser";

/** Names of variables, the frequent ones first: brotli finds the letters of keywords cheap. */
const LETTERS = [..."etnriosaclhdpufmgybvwkxjqzETNRIOSACLHDPUFMGYBVWKXJQZ"];
const nth_identifier = {
  get(n) {
    const last = LETTERS[n % LETTERS.length];
    return n < LETTERS.length ? last : this.get(Math.floor(n / LETTERS.length) - 1) + last;
  },
};

for (const path of process.argv.slice(2)) {
  const { code, map } = await minify(await readFile(path, "utf8"), {
    ecma: 2021,
    // Reading a property has no effect here but on the value, and brotli likes constants on the
    // right.
    compress: { passes: 2, pure_getters: true, lhs_constants: false },
    mangle: { nth_identifier },
    module: path.endsWith(".mjs"),
    sourceMap: { content: await readFile(path + ".map", "utf8"), includeSources: true },
  });
  await writeFile(path, code);
  await writeFile(path + ".map", map);
}
