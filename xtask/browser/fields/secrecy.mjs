// What a hostile script in the shop's page can get of a card: nothing but what the page is told.
import assert from "node:assert/strict";
import { pay, SEPARATE, type } from "./stand.mjs";

const CARD = { cardNumber: "378282246310005", cardExpiry: "1137", cardCvc: "9071", cardHolder: "Quillfeather Zanzibar" };
// Of what was typed: every run of six digits of the number but the last four, the CVV, the name, as they are and otherwise written.
const runs = (digits, size) => Array.from({ length: digits.length - size + 1 }, (_, at) => digits.slice(at, at + size));
const LONG = [...new Set([...runs("3782822463", 6), ...runs("822463100", 6), "3782 822463", "Quillfeather", "Zanzibar"])].flatMap((text) => [
  text,
  Buffer.from(text).toString("base64").replace(/=+$/, "").slice(0, -1),
  Buffer.from(text).toString("hex"),
  [...text].reverse().join(""),
]);
// Four digits stand in ids and times by chance, so the CVV is looked for by itself, and as other notations have it.
const CVV = /(?<![0-9a-z.])9071(?![0-9a-z])|OTA3MQ|39303731/i;

export function found(texts) {
  return texts.flatMap((text) => [...LONG.filter((secret) => text.includes(secret)), ...(CVV.exec(text) ?? []).slice(0, 1)]);
}

export async function secrecy(stand) {
  stand.pages["/hooked"] = () => stand.page(SEPARATE, { before: '<script src="/hooks.js"></script>' });
  const page = await stand.open("/hooked", { fields: 4 });
  const network = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(`${stand.vault.url}/v1/`)) network.push(request.url(), request.postData() ?? "", JSON.stringify(request.headers()));
  });
  await type(page, CARD);
  const outcome = await pay(page);
  assert.equal(outcome, "SETTLEMENT_REQUESTED with Amex 0005");
  await type(page, { cardCvc: "9071" });
  await page.evaluate(() => vault.updateCvv(tokenized.token));

  const { texts, kept, wrapped } = await page.evaluate(() => stolen());
  assert.ok(wrapped > 500 && kept > 200, `${wrapped} globals, ${kept} values`);
  // The script saw what the page is told, so it would have seen more.
  assert.ok(texts.some((text) => text === "0005") && texts.some((text) => text === "Amex"), "the hooks saw no answer");
  assert.deepEqual(found(texts), []);
  assert.deepEqual(texts.filter((text) => text.startsWith("frame ")), [], "a frame is open to the page");
  assert.deepEqual(found(network), []);
  assert.deepEqual(found(page.complaints), []);
  assert.deepEqual(await page.context().cookies(), []);
  for (const frame of page.frames()) {
    // Where a browser denies a frame its storage, there is nothing in it.
    const stored = () => { try { return localStorage.length + sessionStorage.length; } catch { return 0; } };
    assert.equal(await frame.evaluate(stored), 0, frame.url().slice(0, 60));
  }

  // An input of the page's own is read by the same hooks: they work.
  await page.evaluate(() => document.querySelector("form").append(Object.assign(document.createElement("input"), { id: "bare" })));
  await page.locator("#bare").fill("Quillfeather");
  await page.locator("#bare").pressSequentially("Z");
  await page.locator("#bare").fill("9071");
  await page.locator("#bare").evaluate((element) => element.setAttribute("value", element.value));
  const bare = found((await page.evaluate(() => stolen())).texts);
  assert.ok(bare.includes("Quillfeather") && bare.includes("9071"), "the hooks find nothing anywhere");
  await page.context().close();
}
