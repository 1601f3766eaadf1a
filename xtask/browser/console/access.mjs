// Whoever cannot see or use a mouse, on a telephone or a wall.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { button, dialog, go, nothingSaid, settled } from "./stand.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const WIDTHS = [360, 1280, 2560];

/** What axe finds in the document, without the frames, which have tests of their own. */
async function violations(page) {
  // Past the page's own policy, as a tool of the browser's may.
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe);
  const { violations, passes } = await page.evaluate(() => window.axe.run(document, { iframes: false, resultTypes: ["violations", "passes"] }).then(({ violations, passes }) => ({ violations: violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.html} ${node.failureSummary}`).join(" ")}`), passes: passes.length })));
  assert.ok(passes > 5, `axe looked at ${passes} things`);
  return violations;
}

export async function looks(stand) {
  const paid = await stand.pay(5000, { capture_now: false, merchant_reference: "order-1001" });
  await stand.post("/v1/transaction", { account: stand.account, card: paid.card, amount: 1121 }).catch(() => {});
  const places = ["overview", "cards", `cards/${paid.card}`, "transactions", `transactions/${paid._id}`, "refunds", "checkouts", "terminal", "setup/organisations", `setup/accounts/${stand.account}`, "setup/processors", "setup/customers", "setup/keys", "setup/webhooks", "setup/issuers", "trail"];
  for (const colorScheme of ["light", "dark"]) {
    const page = await stand.open({ colorScheme });
    assert.deepEqual(await violations(page), [], `signing in, ${colorScheme}`);
    await picture(stand, page, `sign-in-${colorScheme}`);
    await page.getByLabel("API key").fill(stand.apiKey);
    await button(page, "Sign in").click();
    await page.getByRole("navigation", { name: "Screens" }).waitFor();
    for (const place of places) {
      await go(page, place);
      if (place === "overview") await page.locator(".plot canvas").first().waitFor();
      // In the words of the last, the first is what is behind the id.
      const name = place.split("/").map((part) => (/^[0-9a-f]{24}$/.test(part) ? "one" : part)).join("-");
      assert.deepEqual(await violations(page), [], `${place}, ${colorScheme}`);
      for (const width of WIDTHS) {
        // One scheme is as wide as the other.
        if (colorScheme === "dark" && !stand.screenshots) break;
        await page.setViewportSize({ width, height: width === 360 ? 720 : 1000 });
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(wide <= width, `${place} is ${wide} px wide at ${width} px`);
        await picture(stand, page, `${name}-${width}-${colorScheme}`);
      }
      await page.setViewportSize({ width: 1280, height: 800 });
    }
    await go(page, "setup/keys");
    await button(page, "Add an API key").click();
    assert.deepEqual(await violations(page), [], `a dialog, ${colorScheme}`);
    await page.keyboard.press("Escape");
    await nothingSaid(page);
  }

  // One who wants the other colours than the system's has them, also after a reload.
  const page = await stand.signedIn("cards", { colorScheme: "light" });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.getByLabel("Colours").selectOption("dark");
  const dark = await ground();
  assert.notEqual(dark, light);
  await page.reload();
  assert.equal(await ground(), dark);
  await nothingSaid(page);
}

async function picture({ screenshots }, page, name) {
  if (screenshots) await page.screenshot({ path: `${screenshots}/console-${name}.png` });
}

const focused = (page) => page.evaluate(() => (document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent).trim());

export async function keyboard(stand) {
  const page = await stand.signedIn("cards");
  const press = async (name, key = "Tab", most = 40) => {
    for (let times = 0; times < most; times += 1) {
      if ((await focused(page)).startsWith(name)) return;
      await page.keyboard.press(key);
    }
    assert.fail(`${name} is not reached`);
  };
  await press("Skip to the content", "Shift+Tab");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  assert.match(page.url(), /#\/cards$/, "the address is still the screen's");
  await page.keyboard.press("Tab");
  assert.equal(await focused(page), "Add a card");

  // The menu, a screen, and a row, each by Enter; the focus goes to what is new.
  await press("Transactions", "Shift+Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Transactions", level: 1 }).waitFor();
  await settled(page);
  assert.equal(await focused(page), "Transactions");
  assert.equal(await page.evaluate(() => document.activeElement.tagName), "H1");
  await press("20");
  await page.keyboard.press("Enter");
  await page.waitForURL(/#\/transactions\/[0-9a-f]{24}$/);
  await settled(page);

  // A dialog holds the focus, ends with Escape, and gives it back.
  await go(page, "setup/keys");
  await page.getByRole("heading", { name: "API keys", level: 1 }).focus();
  await press("Add an API key");
  await page.keyboard.press("Enter");
  await dialog(page).waitFor();
  for (let times = 0; times < 30; times += 1) {
    await page.keyboard.press("Tab");
    assert.ok(await page.evaluate(() => document.activeElement === document.body || document.activeElement.closest("dialog") !== null), "the focus is behind the dialog");
  }
  await page.keyboard.press("Escape");
  await dialog(page).waitFor({ state: "detached" });
  assert.equal(await focused(page), "Add an API key");
  // What has the focus shows it.
  assert.notEqual(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), "none");
  await nothingSaid(page);
}
