// What axe says of a page and the frames in it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe finds in each document of a page by itself. */
export async function violations(page) {
  const found = [];
  for (const frame of page.frames()) {
    await frame.evaluate(axe);
    const run = (options) => window.axe.run(document, options).then(({ violations, passes }) => ({ violations: violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`), passes: passes.length }));
    // A frame is not a page: it needs no landmark and no heading of its own. What is behind it is the page's, which axe does not see from there.
    const off = { enabled: false };
    const rules = frame.parentFrame() ? { "page-has-heading-one": off, region: off, "landmark-one-main": off, "color-contrast": off } : {};
    const { violations, passes } = await frame.evaluate(run, { iframes: false, resultTypes: ["violations", "passes"], rules });
    assert.ok(passes > 5, `axe looked at ${passes} things`);
    found.push(...violations);
  }
  return found;
}
