// The wrapper for React, from the npm package as a shop's bundler takes it.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { input, nothingSaid, type, VISA } from "./stand.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const { build } = createRequire(here("../../../web/package.json"))("esbuild");

export async function react(stand) {
  const { outputFiles } = await build({
    entryPoints: [here("react-shop.jsx")],
    bundle: true,
    write: false,
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"development"' },
    alias: { "panvault-web/react": here("../../../web/lib/react.mjs") },
    nodePaths: [here("../node_modules")],
    logLevel: "warning",
  });
  stand.pages["/react.js"] = outputFiles[0].text;
  stand.pages["/react"] = `<!doctype html><html lang="en" data-key="${stand.key}" data-vault="${stand.vault.url}"><meta charset="utf-8"><title>Shop</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="/shop.css"><script src="/react.js" defer></script><main></main></html>`;
  const page = await stand.open("/react");
  const count = (name) => page.locator(`#${name} iframe`).count();
  await page.waitForFunction(() => new Set(heard.map(({ name }) => name)).size === 3 && document.querySelectorAll("iframe").length === 3);
  assert.equal(await page.getByRole("button").isDisabled(), true);
  await type(page, { cardNumber: VISA.cardNumber, cardExpiry: VISA.cardExpiry, cardCvc: VISA.cardCvc });
  // The frame is the same after the component was shown again, with another placeholder.
  assert.equal(await count("cardNumber"), 1);
  assert.equal(await input(page, "cardNumber").inputValue(), "4111 1111 1111 1111");
  await page.waitForFunction(() => document.querySelector("form").dataset.times === "2");
  await page.frameLocator("#cardNumber iframe").locator('input[placeholder="Number 2"]').waitFor();
  await page.getByRole("button").click();
  await page.locator("[role=status]").filter({ hasText: "SETTLEMENT_REQUESTED with 1111" }).waitFor();
  nothingSaid({ complaints: page.complaints.filter((text) => !text.includes("React DevTools")) });
  await page.context().close();
}
