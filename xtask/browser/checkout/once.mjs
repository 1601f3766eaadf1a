// However a shopper goes about it, one attempt is one payment.
import assert from "node:assert/strict";
import { button, done, fetched, fieldsOf, fill, heading, returned } from "./stand.mjs";

/** A yes of the dummy processor that takes a second. */
const LATE = "please 169";

/** How many transactions come of what is done. */
async function made(stand, act) {
  const before = (await stand.transactions(LATE)).length;
  await act(await stand.checkout({ merchant_reference: LATE }));
  return (await stand.transactions(LATE)).length - before;
}

export async function doubleClick(stand) {
  const count = await made(stand, async (checkout) => {
    const page = await stand.ready(checkout);
    let release;
    const held = new Promise((resolve) => (release = resolve));
    await page.route("**/pay", async (route) => {
      await held;
      return route.continue();
    });
    await fill(page);
    await button(page).dblclick();
    // Whoever presses what is off presses it all the same.
    await button(page).click({ force: true });
    await page.keyboard.press("Enter");
    assert.equal(await button(page).getAttribute("aria-disabled"), "true");
    assert.equal(await page.locator("#said").textContent(), "One moment, please.");
    assert.ok(await page.getByText("One moment, please.").first().isVisible() && await page.locator(".turning").isVisible());
    // What is under way is not cancelled, and the page says so.
    await page.locator("#cancel").click({ force: true });
    await page.locator("#waiting").filter({ hasText: "The payment is under way and cannot be cancelled any more." }).waitFor();
    release();
    await returned(page);
    assert.deepEqual(page.sent, [0]);
    await done(page);
  });
  assert.equal(count, 1);
}

/** The answer to a payment is lost: it is sent again under the same number. */
export async function sendsAgain(stand) {
  for (const arrives of [true, false]) {
    const count = await made(stand, async (checkout) => {
      const page = await stand.ready(checkout);
      let lost = 0;
      await page.route("**/pay", async (route) => {
        if (lost > 0) return route.continue();
        lost += 1;
        if (arrives) await fetched(route);
        return route.abort();
      });
      await fill(page);
      await button(page).click();
      await returned(page);
      assert.equal(lost, 1);
      assert.deepEqual([...new Set(page.sent)], [0]);
      await page.context().close();
    });
    assert.equal(count, 1, `arrives: ${arrives}`);
  }
}

/** A vault that is asked too often, or cannot, is asked again by the shopper: with the card that it has, and the same number. */
export async function asksLater(stand) {
  for (const [status, text, code = 141] of [
    [429, "Too many attempts. Please wait a moment and try again."],
    [503, "That did not work. Please try again."],
    [400, "This shop cannot take your payment by card at the moment. Trying again does not help.", 110],
  ]) {
    const page = await stand.ready(await stand.checkout());
    await page.route("**/pay", (route) => route.fulfill({ status, json: { code, message: "later", timestamp: 0 } }), { times: 1 });
    await fill(page);
    await button(page).click();
    await page.locator("#problem").filter({ hasText: text }).waitFor();
    const cards = [];
    page.on("request", (request) => request.url().endsWith("/card") && cards.push(request.url()));
    await button(page).click();
    await returned(page);
    assert.deepEqual([page.sent, cards], [[0, 0], []]);
    await page.context().close();
  }
}

export async function twoWindows(stand) {
  // At the same time.
  const count = await made(stand, async (checkout) => {
    const context = await stand.context();
    const [one, other] = [await stand.ready(checkout, { context }), await stand.ready(checkout, { context })];
    for (const page of [one, other]) await fill(page);
    await Promise.all([one, other].map((page) => button(page).click()));
    const told = await Promise.all([one, other].map(returned));
    assert.equal(told[0].get("transaction_id"), told[1].get("transaction_id"));
    // The card of whoever comes second finds the checkout paid, which a browser writes down, and the page takes for the result that it is.
    const others = one.complaints.filter((text) => !text.includes("the server responded with a status of 400"));
    assert.deepEqual(others, []);
    await context.close();
  });
  assert.equal(count, 1);

  // One after the other: the second, which does not know yet, hears that it is paid and goes back with the same result.
  const checkout = await stand.checkout();
  const context = await stand.context();
  const [one, other] = [await stand.ready(checkout, { context }), await stand.ready(checkout, { context })];
  await fill(one);
  await button(one).click();
  const paid = await returned(one);
  await fill(other);
  await button(other).click();
  assert.equal((await returned(other)).get("transaction_id"), paid.get("transaction_id"));
  await done(other);

  // Declined in one: what the other had on its screen is that attempt, and the answer to it is the same.
  const declined = await stand.checkout({ amount: 1121 });
  const both = await stand.context();
  const [first, second] = [await stand.ready(declined, { context: both }), await stand.ready(declined, { context: both })];
  for (const page of [first, second]) {
    await fill(page);
    await button(page).click();
    await page.locator("#left").filter({ hasText: "Attempts left: 2" }).waitFor();
    assert.deepEqual(page.sent, [0]);
  }
  // Come back to, a window sees what the other did.
  await fill(first, { cvc: "739" });
  await button(first).click();
  await first.locator("#left").filter({ hasText: "Attempts left: 1" }).waitFor();
  await second.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await second.locator("#left").filter({ hasText: "Attempts left: 1" }).waitFor();
  await done(first);

  // One is told that the other pays just now, which is declined: the page says that, and not that trying again is of no use.
  const late = await stand.checkout({ amount: 1121 });
  const again = await stand.context();
  const [payer, told] = [await stand.ready(late, { context: again }), await stand.ready(late, { context: again })];
  for (const page of [payer, told]) await fill(page);
  await told.route("**/card", async (route) => {
    await button(payer).click();
    await payer.locator("#left").filter({ hasText: "Attempts left: 2" }).waitFor();
    return route.fulfill({ status: 400, json: { code: 110, message: "a payment is under way", timestamp: 0 } });
  }, { times: 1 });
  await button(told).click();
  await told.locator("#left").filter({ hasText: "Attempts left: 2" }).waitFor();
  await told.locator("#problem").filter({ hasText: "The card was declined." }).waitFor();
  await again.close();
}

/** Loaded again while a payment is on its way. */
export async function reloads(stand) {
  const count = await made(stand, async (checkout) => {
    const page = await stand.ready(checkout);
    await fill(page);
    const sent = page.waitForRequest("**/pay");
    await button(page).click();
    await sent;
    await page.reload();
    // It is being processed, or done by now; whoever waits is taken back with the result.
    await page.locator("#title").filter({ hasText: /^(Processing|Payment complete)$/ }).waitFor();
    assert.equal(await page.locator("iframe").count(), 0);
    await heading(page, "Payment complete");
    await page.context().close();
  });
  assert.equal(count, 1);
}

/** Away and back, with a browser that keeps pages. */
export async function backAndForth(stand) {
  const reference = `order-${crypto.randomUUID()}`;
  const checkout = await stand.checkout({ merchant_reference: reference });
  const page = await stand.ready(checkout);
  await fill(page);
  await page.goto(`${stand.shop.origin}/`);
  await page.goBack();
  await heading(page, "Card payment");
  await fieldsOf(page);
  // A page that was kept is loaded anew, and asks anew.
  const asked = page.waitForRequest("**/view/*.json");
  await page.evaluate(() => window.dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })));
  await asked;
  await fieldsOf(page);
  await fill(page);
  await button(page).click();
  await returned(page);
  // The address again, as from a history: it is paid.
  await page.goto(checkout.url);
  await heading(page, "Payment complete");
  await page.goBack();
  await page.goForward();
  await heading(page, "Payment complete");
  assert.ok(await page.locator("#form").isHidden());
  assert.equal((await stand.transactions(reference)).length, 1);
  assert.deepEqual(page.sent, [0]);
  await done(page);
}
