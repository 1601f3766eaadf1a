// Declines, the last attempt, the end of the time, pages that are not there, and a result that takes its time.
import assert from "node:assert/strict";
import { button, done, fieldsOf, fill, heading, input, retell, returned } from "./stand.mjs";

export async function declines(stand) {
  const reference = `order-${crypto.randomUUID()}`;
  const checkout = await stand.checkout({ amount: 1121, merchant_reference: reference, return_url: `${stand.shop.origin}/done?order=8` });
  const page = await stand.ready(checkout);
  for (const [attempt, left] of [[0, 2], [1, 1]]) {
    await fill(page, attempt === 0 ? undefined : { cvc: "739" });
    await button(page).click();
    await page.locator("#left").filter({ hasText: `Attempts left: ${left}` }).waitFor();
    await page.waitForFunction(() => document.activeElement.id === "problem");
    assert.match(await page.locator("#problem").textContent(), /^The card was declined\./);
    // The CVV has gone to the processor, and is not typed for the shopper.
    assert.equal(await input(page, "cvc").inputValue(), "");
    assert.equal(await input(page, "number").inputValue(), "4111 1111 1111 1111");
    if (attempt === 0) await stand.picture(page, "declined");
  }
  // What was said is there again after the page was loaded again.
  await page.reload();
  await page.locator("#left").filter({ hasText: "Attempts left: 1" }).waitFor();
  await page.getByText("The card was declined.").waitFor();
  await fieldsOf(page);
  await fill(page);
  await button(page).click();
  await heading(page, "The card was not accepted");
  assert.equal(await page.evaluate(() => document.activeElement.id), "title");
  assert.equal(await page.locator("iframe").count(), 0);
  await stand.picture(page, "failed");
  assert.deepEqual(page.sent, [0, 1, 2]);
  assert.equal((await stand.transactions(reference)).length, 3);
  await page.getByRole("link", { name: /^Back to / }).click();
  const told = await returned(page);
  assert.deepEqual([told.get("order"), told.get("transaction_id")], ["8", null]);
  assert.match(told.get("error"), /^[a-z_]+$/);
  await done(page);
}

/** Whoever does not want to pay goes back to the shop, which hears of it; nothing can be paid any more. */
export async function cancels(stand) {
  const reference = `order-${crypto.randomUUID()}`;
  const checkout = await stand.checkout({ merchant_reference: reference });
  const page = await stand.ready(checkout);
  await page.getByRole("button", { name: "Cancel and go back" }).click();
  const told = await returned(page);
  assert.deepEqual([told.get("error"), told.get("transaction_id")], ["cancelled", null]);
  await page.goto(checkout.url);
  await heading(page, "Nothing was paid.");
  assert.equal(await page.locator("iframe").count(), 0);
  assert.deepEqual(await stand.transactions(reference), []);
  await done(page);

  // Paid in another window meanwhile, it stays paid.
  const paid = await stand.checkout();
  const context = await stand.context();
  const [one, other] = [await stand.ready(paid, { context }), await stand.ready(paid, { context })];
  await fill(one);
  await button(one).click();
  await returned(one);
  await other.getByRole("button", { name: "Cancel and go back" }).click();
  await heading(other, "Payment complete");
  await done(one);
}

/** The time that is left is shown when it is short, and said aloud when there is half a minute. */
export async function countsDown(stand) {
  const checkout = await stand.checkout();
  const page = await stand.context().then((context) => context.newPage());
  let secondsLeft = 121;
  await retell(page, () => ({ expires_in_seconds: secondsLeft }));
  await page.goto(checkout.url);
  await fieldsOf(page);
  await page.locator("#time").filter({ hasText: "Time left: 1:59" }).waitFor();
  secondsLeft = 31;
  await page.reload();
  await page.locator("#said").filter({ hasText: /^Time left: 0:30$/ }).waitFor();
  await page.locator("#time").filter({ hasText: "Time left: 0:29" }).waitFor();
  assert.equal(await page.locator("#said").textContent(), "Time left: 0:30");
  await stand.picture(page, "time");
  // The page's clock has run out and the vault's has not: it is the vault's that counts.
  secondsLeft = 1;
  await page.reload();
  await fieldsOf(page);
  const asked = [page.waitForResponse("**/view/*.json"), page.waitForResponse("**/view/*.json")];
  await Promise.all(asked);
  assert.ok(await page.locator("#form").isVisible());
  await page.context().close();
}

/** Opened when the tests began, and left alone until its time is over. */
export async function expires(stand) {
  const page = stand.shortLived;
  await page.getByRole("heading", { level: 1, name: "This page has expired" }).waitFor({ timeout: 70_000 });
  assert.match(await page.locator("#advice").textContent(), /^Nothing was paid\. /);
  assert.equal(await page.locator("iframe").count(), 0);
  assert.ok(await page.locator("#time").isHidden());
  await stand.picture(page, "expired");
  await page.getByRole("link", { name: /^Back to / }).click();
  const told = await returned(page);
  assert.match(told.get("error"), /^[a-z_]+$/);
  assert.equal(told.get("transaction_id"), null);
  await done(page);
}

/** Of an id that is none there is a page that says so, and nothing more. */
export async function lacks(stand) {
  const checkout = await stand.checkout();
  for (const id of ["0".repeat(24), stand.vault.account, "x"]) {
    const page = await stand.open({ url: checkout.url.replace(checkout._id, id) }, { locale: "de-AT" });
    await heading(page, "Diese Seite gibt es nicht");
    assert.ok(await page.locator("#form").isHidden());
    assert.ok(await page.locator("#back").isHidden());
    assert.equal(await page.locator("iframe").count(), 0);
    await done(page);
  }
  // The vault does not answer: the shopper may ask again, and then it does.
  const page = await stand.context().then((context) => context.newPage());
  await page.route("**/view/*.json", (route) => route.abort());
  await page.goto(checkout.url);
  await heading(page, "The connection failed");
  await page.unroute("**/view/*.json");
  await page.getByRole("button", { name: "Try again" }).click();
  await heading(page, "Card payment");
  await fieldsOf(page);
  await page.context().close();

  // Without scripts, there is a text in each language.
  const plain = await stand.open(checkout, { javaScriptEnabled: false });
  assert.equal(await plain.locator("noscript p:visible").count(), 9);
  await plain.context().close();
}

/** What the processor has not said yet is asked for until it is there; nobody can pay meanwhile. */
export async function waits(stand) {
  const reference = `order-${crypto.randomUUID()}`;
  const checkout = await stand.checkout({ amount: 1122, merchant_reference: reference });
  const page = await stand.ready(checkout);
  await fill(page);
  await button(page).click();
  await heading(page, "Processing");
  assert.ok(await page.locator("#form").isHidden());
  await page.getByText("Please do not pay again.").waitFor();
  // Nobody knows what becomes of it, which may last: whoever has waited enough goes back, and the shop is told that much.
  const back = new URL(await page.locator("#back").getAttribute("href"));
  assert.equal(back.searchParams.get("error"), "unknown");
  assert.ok(back.searchParams.get("transaction_id"));
  await stand.picture(page, "processing");
  await page.reload();
  await heading(page, "Processing");
  assert.deepEqual(page.sent, [0]);
  assert.equal((await stand.transactions(reference)).length, 1);
  // As the vault will say it when it knows.
  await retell(page, () => ({ status: "completed", return: `${stand.shop.origin}/done?transaction_id=1` }));
  await heading(page, "Payment complete");
  assert.equal((await returned(page)).get("transaction_id"), "1");
  await done(page);
}
