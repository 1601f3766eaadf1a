// Payments: captured, voided, refunded, saved as a file, and sold at the terminal.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { button, dialog, fact, go, nothingSaid, rows, type, VISA } from "./stand.mjs";

const badge = (page) => page.locator("main h1 .badge");

export async function payments(stand) {
  const page = await stand.signedIn();
  const reserved = await stand.pay(5000, { capture_now: false });
  await go(page, `transactions/${reserved._id}`);
  assert.equal(await page.locator("main h1").textContent(), "EUR 50.00 Authorized");
  await page.waitForFunction(() => document.activeElement?.tagName === "H1");
  await button(page, "Capture").click();
  assert.equal(await dialog(page).getByLabel("Amount").inputValue(), "50.00");
  await dialog(page).getByLabel("Amount").fill("fifty");
  await button(dialog(page), "Capture").click();
  await dialog(page).getByText("Amount must be an amount such as 12.50").waitFor();
  // What the vault refuses is said at its field, with code and request.
  await dialog(page).getByLabel("Amount").fill("50.01");
  await button(dialog(page), "Capture").click();
  await dialog(page).getByRole("alert").waitFor();
  assert.match(await dialog(page).getByRole("alert").textContent(), /see what is said above.*Code 107 · HTTP 400 · Request [0-9a-f]{24}/);
  assert.equal(await dialog(page).getByText("at most what was authorised").count(), 1, "an error is said once");
  assert.equal(await dialog(page).getByLabel("Amount").getAttribute("aria-invalid"), "true");
  await dialog(page).getByLabel("Amount").fill("40,5");
  await button(dialog(page), "Capture").click();
  await badge(page).filter({ hasText: "Settlement requested" }).waitFor();
  assert.equal(await fact(page, "Captured").textContent(), "EUR 40.50");
  assert.deepEqual(await page.locator("ol.timeline .badge").allTextContents(), ["Settlement requested", "Pending", "Authorized", "Initiated"]);

  await button(page, "Void the capture").click();
  await button(dialog(page), "Void the capture").click();
  await badge(page).filter({ hasText: "Settlement cancelled" }).waitFor();
  assert.equal(await page.locator("main .heading .actions button").count(), 0);

  const voided = await stand.pay(700, { capture_now: false });
  await go(page, `transactions/${voided._id}`);
  await button(page, "Void").click();
  await button(dialog(page), "Void").click();
  await badge(page).filter({ hasText: "Authorization voided" }).waitFor();

  const order = `order-${crypto.randomUUID().slice(0, 8)}`;
  const paid = await stand.pay(3000, { merchant_reference: order });
  stand.settle();
  await go(page, `transactions/${paid._id}`);
  await button(page, "Refund").click();
  await dialog(page).getByLabel("Amount").fill("10");
  await dialog(page).getByLabel("Reason").fill("sent back");
  await button(dialog(page), "Refund").click();
  await fact(page, "Refunded").filter({ hasText: "EUR 10.00" }).waitFor();
  await rows(page).filter({ hasText: "sent back" }).waitFor();
  await button(page, "Refund").click();
  assert.equal(await dialog(page).getByLabel("Amount").inputValue(), "20.00");
  await button(dialog(page), "Cancel").click();
  await rows(page).first().locator("a").first().click();
  await page.getByRole("heading", { name: /EUR 10\.00/ }).waitFor();
  assert.equal(await fact(page, "Reason").textContent(), "sent back");

  // A card number goes into no address and no query; nothing stands below a question that was refused.
  await go(page, "transactions");
  await rows(page).first().waitFor();
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.getByLabel("Reference").fill("4111 1111 1111 1111");
  await page.keyboard.press("Tab");
  await page.getByRole("alert").filter({ hasText: "looks like a card number" }).waitFor();
  assert.equal(await page.getByLabel("Reference").inputValue(), "");
  assert.ok(![page.url(), ...asked].some((url) => /4111/.test(url)), "a card number is in an address");
  await page.getByLabel("Amount, minor units").fill("abc");
  await page.keyboard.press("Tab");
  await page.getByRole("alert").filter({ hasText: "query.amount" }).waitFor();
  assert.equal(await rows(page).count(), 0);

  // The whole of a list as a file, with the conditions that are set.
  await go(page, `transactions?merchant_reference=${order}`);
  const [download] = await Promise.all([page.waitForEvent("download"), button(page, "CSV").click()]);
  assert.equal(download.suggestedFilename(), "transaction.csv");
  const lines = readFileSync(await download.path(), "utf8").trim().split("\r\n");
  assert.equal(lines.length, 2);
  assert.ok(lines[1].includes(paid._id) && lines[1].includes(order));
  await nothingSaid(page, { failed: 2 });
}

export async function terminal(stand) {
  // A vault that is used again has the sales of the last time.
  const run = crypto.randomUUID().slice(0, 8);
  const till = (number) => `till-${run}-${number}`;
  const page = await stand.signedIn("terminal");
  await type(page, VISA);
  await page.getByLabel(/^Amount in EUR/).fill("12,5");
  await page.getByLabel("Reference").fill(till(1));
  assert.equal(await page.locator("button.wide").textContent(), "Sell EUR 12.50");
  // Two clicks are one sale.
  await page.locator("button.wide").dblclick();
  await page.getByRole("heading", { name: "Sold" }).waitFor();
  assert.equal(await page.locator(".outcome").textContent(), "EUR 12.50 Settlement requested");
  const found = await stand.get(`/v1/transaction?merchant_reference=${till(1)}`);
  assert.deepEqual(found.map(({ amount, shopper_interaction, cvv_present }) => ({ amount, shopper_interaction, cvv_present })), [{ amount: 1250, shopper_interaction: "MOTO", cvv_present: true }]);

  await button(page, "Next sale").click();
  await type(page, VISA);
  await page.getByLabel(/^Amount in EUR/).fill("11.21");
  await page.locator("button.wide").click();
  await page.getByRole("heading", { name: "Not sold" }).waitFor();
  assert.match(await page.locator("main").textContent(), /Declined.*Code 121 · HTTP 403 · Request [0-9a-f]{24}/);
  assert.equal(await page.getByRole("link", { name: /^[0-9a-f]{24}$/ }).count(), 2);

  // An answer that is lost is asked for again, and nobody pays twice.
  await button(page, "Next sale").click();
  await type(page, VISA);
  await page.getByLabel(/^Amount in EUR/).fill("9.99");
  await page.getByLabel("Reference").fill(till(3));
  await page.route("**/v1/transaction", async (route) => {
    await route.fetch();
    await route.abort();
  }, { times: 1 });
  await page.locator("button.wide").click();
  await page.getByText("which is never paid twice").waitFor();
  await button(page, "Ask again").click();
  await page.getByRole("heading", { name: "Sold" }).waitFor();
  const once = await stand.get(`/v1/transaction/count?merchant_reference=${till(3)}`);
  assert.equal(once.count, 1);
  await nothingSaid(page, { failed: 2 });
}
