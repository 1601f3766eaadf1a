// Whoever cannot see, use a mouse or read English pays too.
import assert from "node:assert/strict";
import { violations } from "../axe.mjs";
import { faults } from "../look.mjs";
import { button, CARD, done, fill, heading, input, returned } from "./stand.mjs";

const LANGUAGES = ["en", "de", "fr", "es", "it", "nl", "pl", "pt", "ja"];

export async function looks(stand) {
  const account = await stand.account({ merchant: "A shop with the longest name that anybody has ever seen on a sign: Lanternmakersofthewholewideworld" });
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [320, 768, 1440]) {
      const page = await stand.ready(await stand.checkout({ account, amount: 2_000_000_121 }), { viewport: { width, height: 800 }, colorScheme });
      const at = `at ${width} px, ${colorScheme}`;
      assert.deepEqual(await page.evaluate(faults), [], at);
      await stand.picture(page, `${width}-${colorScheme}`);
      await fill(page, { ...CARD, expiry: "01 / 20" });
      await button(page).click();
      await page.locator("#expiry-wrong").filter({ hasText: "The card has expired." }).waitFor();
      assert.deepEqual(await page.evaluate(faults), [], `with a fault ${at}`);
      await fill(page, { expiry: "12 / 35" });
      await button(page).click();
      await page.waitForFunction(() => document.activeElement.id === "problem");
      await fits(page, `declined ${at}`);
      await stand.picture(page, `declined-${width}-${colorScheme}`);
      await done(page);
    }
  }
  // 200 % zoom is half the width and twice the scale; forced colours; no motion.
  const options = { viewport: { width: 320, height: 400 }, deviceScaleFactor: 2, forcedColors: "active", reducedMotion: "reduce" };
  const page = await stand.ready(await stand.checkout({ amount: 1122 }), options);
  assert.deepEqual(await violations(page), []);
  await stand.picture(page, "forced");
  await fill(page);
  await button(page).click();
  await heading(page, "Processing");
  assert.equal(await page.locator("#spinner").evaluate((element) => getComputedStyle(element).animationName), "none");
  await done(page);
}

async function fits(page, at) {
  assert.deepEqual(await violations(page), [], at);
  assert.deepEqual(await page.evaluate(faults), [], at);
  assert.equal(page.frames().length, 5);
  for (const frame of page.frames().filter((frame) => frame.parentFrame())) {
    // All digits of a number are seen, beside its brand.
    const widths = await frame.evaluate(() => [document.documentElement, document.querySelector("input")].map(({ scrollWidth, clientWidth }) => [scrollWidth, clientWidth]));
    for (const [inner, outer] of widths) assert.ok(inner <= outer, `${inner} of ${outer} px in ${frame.url().split(".").at(-2)} ${at}`);
  }
}

export async function keyboard(stand) {
  const page = await stand.ready(await stand.checkout());
  for (const [id, text] of Object.entries(CARD)) {
    await page.keyboard.press("Tab");
    await page.waitForFunction((id) => document.querySelector(".slot.focused")?.id === id && document.querySelectorAll(".focused").length === 1, id);
    await page.keyboard.type(text);
  }
  await page.keyboard.press("Tab");
  await page.waitForFunction(() => document.activeElement.id === "pay" && !document.querySelector(".focused"));
  await page.keyboard.press("Shift+Tab");
  await page.waitForFunction(() => document.querySelector(".slot.focused")?.id === "holder");
  // Enter in a field is what it is in any form.
  await page.keyboard.press("Enter");
  await heading(page, "Payment complete");
  // Whoever reads is led to what became of it.
  assert.equal(await page.evaluate(() => document.activeElement.id), "title");
  await returned(page);
  await done(page);

  // A label leads into its field.
  const other = await stand.ready(await stand.checkout());
  await other.getByText("Security code").click();
  await other.waitForFunction(() => document.querySelector(".slot.focused")?.id === "cvc");
  await done(other);
}

/** A card that the processor does not take is refused before it is sent. */
export async function brands(stand) {
  const checkout = await stand.checkout();
  const all = await stand.ready(checkout);
  // Every brand that there is makes no list.
  assert.ok(await all.locator("#brands").isHidden());
  await done(all);
  const page = await stand.ready(checkout, { told: { brands: ["Mastercard", "Amex"] } });
  await page.getByText("Accepted: Mastercard, American Express").waitFor();
  await input(page, "number").fill("4");
  await page.locator("#number-wrong").filter({ hasText: "Cards of this brand are not accepted." }).waitFor();
  await page.context().close();
}

/** As many digits behind the point as the currency has, which is not what every browser writes. */
export async function currencies(stand) {
  for (const [currency, locale, shown] of [
    ["JPY", "ja-JP", "￥123,456"],
    ["KWD", "en-GB", "KWD 123.456"],
    ["HUF", "en-GB", "HUF 1,234.56"],
    ["IDR", "en-GB", "IDR 1,234.56"],
    ["EUR", "de-DE", "1.234,56 €"],
    ["EUR", "de-AT", "€ 1.234,56"],
  ]) {
    const account = await stand.account({ currency_code: currency });
    const page = await stand.open(await stand.checkout({ account, amount: 123456 }), { locale });
    await page.locator("#amount").waitFor();
    assert.equal((await page.locator("#amount").textContent()).replace(/\s/g, " "), shown, `${currency} ${locale}`);
    await page.context().close();
  }
}

export async function languages(stand) {
  const seen = new Set();
  for (const language of LANGUAGES) {
    const page = await stand.ready(await stand.checkout(), { locale: `${language}-x-test`, viewport: { width: 320, height: 800 } });
    assert.equal(await page.evaluate(() => document.documentElement.lang), language);
    const texts = await page.evaluate(() => [...document.querySelectorAll("h1, label, #pay")].map((element) => element.textContent));
    assert.ok(texts.every((text) => text.trim() !== "" && !text.includes("{")), texts.join());
    assert.equal(await page.frames()[1].evaluate(() => document.documentElement.lang), language);
    assert.deepEqual(await page.evaluate(faults), [], language);
    seen.add(texts.join());
    if (language === "de" || language === "ja") await stand.picture(page, `320-${language}`);
    await done(page);
  }
  assert.equal(seen.size, LANGUAGES.length);
  // The checkout's own language wins over the browser's; one without texts is passed over.
  for (const [locale, browser, expected] of [["nl-BE", "fr", "nl"], [undefined, "xx", "en"], [undefined, "fr-CA", "fr"]]) {
    const page = await stand.ready(await stand.checkout(locale ? { locale } : {}), { locale: browser });
    assert.equal(await page.evaluate(() => document.documentElement.lang), expected);
    assert.equal(await page.frames()[1].evaluate(() => document.documentElement.lang), expected);
    await done(page);
  }
}
