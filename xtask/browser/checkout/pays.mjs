// A shopper pays, keeps a card, has one checked; and what the page knows of it.
import assert from "node:assert/strict";
import { found } from "../fields/secrecy.mjs";
import { button, CARD, done, fill, heading, input, returned, type } from "./stand.mjs";

export async function pays(stand) {
  const reference = `order-${crypto.randomUUID()}`;
  const checkout = await stand.checkout({ amount: 123456, merchant_reference: reference, return_url: `${stand.shop.origin}/done?order=7&x=a%26b` });
  const page = await stand.ready(checkout);
  await heading(page, "Card payment");
  assert.equal(await page.locator("#amount").textContent(), "€1,234.56");
  assert.equal(await button(page).textContent(), "Pay €1,234.56");
  // What lacks is said where it lacks, and the first of it has the focus.
  await button(page).click();
  await page.locator("#number-wrong").filter({ hasText: "The card number is incomplete." }).waitFor();
  await page.waitForFunction(() => document.activeElement.parentElement.id === "number");
  for (const id of ["expiry", "cvc"]) assert.ok(await page.locator(`#${id}-wrong`).isVisible(), id);
  // Many cards have no name on them.
  assert.ok(await page.locator("#holder-wrong").isHidden());
  await type(page, CARD);
  await button(page).focus();
  for (const id of Object.keys(CARD)) assert.ok(await page.locator(`#${id}-wrong`).isHidden(), id);
  await stand.picture(page, "typed");
  await button(page).click();
  await heading(page, "Payment complete");
  const told = await returned(page);
  // What was in the shop's address stays in it.
  assert.deepEqual([told.get("order"), told.get("x"), told.get("error")], ["7", "a&b", null]);
  const [transaction, ...more] = await stand.transactions(reference);
  assert.deepEqual([transaction._id, transaction.amount, transaction.status, more.length], [told.get("transaction_id"), 123456, "SETTLEMENT_REQUESTED", 0]);
  assert.deepEqual(page.sent, [0]);
  // In the shop, back is where the shopper was before the vault's page.
  await page.goBack();
  assert.ok(!page.url().startsWith(stand.vault.url), page.url());
  await done(page);

  // Whoever comes to the page later sees that it is done, and is not sent away again.
  const late = await stand.open(checkout);
  await heading(late, "Payment complete");
  assert.equal(await late.locator("iframe").count(), 0);
  await late.getByRole("link", { name: /^Back to / }).click();
  assert.equal((await returned(late)).get("transaction_id"), transaction._id);
  await done(late);
}

/** The card is kept, and nothing is paid. */
export async function keeps(stand) {
  const reference = `order-${crypto.randomUUID()}`;
  const checkout = await stand.checkout({ merchant_reference: reference, configurations: { process_transaction: false } });
  const page = await stand.ready(checkout);
  await heading(page, "Save card");
  assert.ok(await page.locator("#amount").isHidden());
  // Whose name does not fit learns what would.
  for (const [name, said] of [["Ωλγα Παπαδοπούλου-Αλεξανδροπούλου", "too long"], ["X", "too short"], ["Ann!", "not valid"]]) {
    await input(page, "holder").fill(name);
    await page.getByRole("button", { name: "Save card" }).click();
    await page.locator("#holder-wrong").filter({ hasText: `The name on the card is ${said}.` }).waitFor();
  }
  await fill(page);
  await page.getByRole("button", { name: "Save card" }).click();
  await heading(page, "Card saved");
  const told = await returned(page);
  assert.match(told.get("card"), /^[0-9a-f]{24}$/);
  assert.equal(told.get("transaction_id"), null);
  assert.deepEqual(await stand.transactions(reference), []);
  await done(page);
}

/** An amount of nothing checks the card. */
export async function verifies(stand) {
  const reference = `order-${crypto.randomUUID()}`;
  const page = await stand.ready(await stand.checkout({ amount: 0, merchant_reference: reference }));
  await heading(page, "Check card");
  assert.match(await page.locator("#lead").textContent(), /Nothing is charged now/);
  await fill(page);
  await page.getByRole("button", { name: "Check card" }).click();
  const told = await returned(page);
  const [transaction] = await stand.transactions(reference);
  assert.deepEqual([transaction._id, transaction.amount], [told.get("transaction_id"), 0]);
  await done(page);
}

/** The page's script is told no digit but the last four, and no token. */
export async function knowsNothing(stand) {
  const checkout = await stand.checkout();
  const context = await stand.context();
  // Of the page alone, not of its frames: what its script sends, is told, and hears from frames.
  await context.addInitScript(() => {
    if (window.top !== window) return;
    window.known = [];
    const asked = window.fetch;
    window.fetch = async (...parameters) => {
      const answer = await asked(...parameters);
      known.push(JSON.stringify(parameters), await answer.clone().text());
      return answer;
    };
    const heard = Object.getOwnPropertyDescriptor(MessagePort.prototype, "onmessage");
    Object.defineProperty(MessagePort.prototype, "onmessage", { ...heard, set(listener) {
      heard.set.call(this, (event) => { known.push(JSON.stringify(event.data)); return listener(event); });
    } });
  });
  const page = await stand.ready(checkout, { context });
  const answers = [];
  page.on("response", async (answer) => answer.url().endsWith("/card") && answers.push(await answer.text()));
  await type(page, { number: "378282246310005", expiry: "1137", cvc: "9071", holder: "Quillfeather Zanzibar" });
  await button(page).click();
  await heading(page, "Payment complete");
  const known = await page.evaluate(() => known);
  await returned(page);
  const { card } = await stand.vault.get(`/v1/checkout/${checkout._id}`);
  assert.match(card, /^[0-9a-f]{24}$/);
  assert.ok(known.some((text) => text.includes("0005")), "what was listened to has nothing in it");
  assert.equal(answers.length, 1);
  for (const text of [...known, ...answers]) assert.ok(!text.includes(card), "the page has the token");
  assert.deepEqual(found([...known, ...answers]), []);
  assert.deepEqual(found(["a 9071"]), ["9071"], "the search finds nothing anywhere");
  await done(page);
}
