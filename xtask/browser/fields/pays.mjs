// A shopper pays, and pays again with the CVV put back.
import assert from "node:assert/strict";
import { input, last, nothingSaid, pay, SEPARATE, told, type, VISA } from "./stand.mjs";

export async function pays(stand) {
  const page = await stand.open("/", { fields: 4 });
  assert.match(await pay(page), /^incomplete cardNumber: The card number is incomplete\.$/);
  assert.equal(await input(page, "cardNumber").getAttribute("aria-invalid"), "true");
  await type(page, VISA);
  for (const name of SEPARATE) {
    const { complete, empty, error } = await last(page, name);
    assert.deepEqual({ complete, empty, error }, { complete: true, empty: false, error: null }, name);
  }
  assert.equal(await pay(page), "SETTLEMENT_REQUESTED with Visa 1111");
  const { token, card } = await page.evaluate(() => tokenized);
  assert.match(token, /^[0-9a-f]{24}$/);
  assert.deepEqual(card, { brand: "Visa", lastFour: "1111", expiryMonth: "12", expiryYear: "35" });
  // The vault has the CVV now, and the page has it no more.
  assert.equal(await input(page, "cardCvc").inputValue(), "");
  assert.equal(stand.paid.at(-1).card, token);
  assert.equal(stand.paid.at(-1).cvv_used ?? true, true);

  const again = await stand.open("/cvc", { fields: 1 });
  await again.evaluate((card) => { document.querySelector("form").dataset.cardId = card; }, token);
  assert.match(await pay(again), /^incomplete cardCvc: /);
  await type(again, { cardCvc: "812" });
  // Enter in a frame tells the page, which submits its form as it would of an input of its own.
  await again.evaluate(() => fields.cardCvc.on("submit", () => document.querySelector("form").requestSubmit()));
  await again.evaluate(() => { document.querySelector("[role=status]").textContent = ""; });
  await input(again, "cardCvc").press("Enter");
  assert.equal(await told(again), "SETTLEMENT_REQUESTED with Visa 1111");
  assert.equal(stand.paid.at(-1).card, token);

  const combined = await stand.open("/card", { fields: 1 });
  await input(combined, "card", "Card number").pressSequentially("5555555555554444");
  await input(combined, "card", /Expiry/).pressSequentially("0135");
  await input(combined, "card", "Security code").pressSequentially("321");
  assert.equal((await last(combined, "card")).brand, "Mastercard");
  assert.equal(await pay(combined), "SETTLEMENT_REQUESTED with Mastercard 4444");

  // What is asked of it with keys that are none, or of cards that are paths, is refused before anything is sent.
  const requests = [];
  combined.on("request", (request) => requests.push(request.url()));
  for (const [call, ...parameters] of [["tokenize", { idempotencyKey: "a\r\nb: c" }], ["updateCvv", "../organisation"], ["updateCvv", "a/b"]]) {
    await input(combined, "card", "Security code").fill("321");
    const code = await combined.evaluate(([call, parameters]) => vault[call](...parameters).then(() => "done", (error) => error.code), [call, parameters]);
    assert.equal(code, "invalid", call);
  }
  assert.deepEqual(requests, []);

  // A request that is repeated with its key makes no second card.
  const key = crypto.randomUUID();
  const tokens = [];
  for (let time = 0; time < 2; time += 1) {
    await input(combined, "card", "Security code").fill("321");
    tokens.push(await combined.evaluate((idempotencyKey) => vault.tokenize({ idempotencyKey }).then(({ token }) => token), key));
  }
  assert.equal(tokens[0], tokens[1]);

  // What the API refuses is told with its own code, and the field at fault.
  await input(combined, "card", "Security code").fill("321");
  const refused = await combined.evaluate(() => vault.tokenize({ organisation: "0".repeat(24) }).catch((error) => ({ ...error, message: error.message })));
  assert.equal(refused.code, "api");
  assert.ok(refused.apiCode > 100 && refused.status >= 400 && refused.requestId, JSON.stringify(refused));

  await combined.evaluate(() => { window.late = vault.tokenize().catch((error) => error.code); vault.destroy(); });
  assert.equal(await combined.evaluate(() => late), "destroyed");
  assert.equal(await combined.locator("iframe").count(), 0);
  assert.equal(await combined.evaluate(() => vault.tokenize().catch((error) => error.code)), "destroyed");
  for (const each of [page, again]) nothingSaid(each);
}

/** Of an organisation that takes cards from its pages without a key, once it does. */
export async function paysWithoutKey(stand) {
  const { vault, shop } = stand;
  stand.pages["/keyless"] = () => stand.page(["card"], { organisation: vault.organisation });
  const early = await stand.open("/keyless");
  await early.waitForFunction(() => heard.some((told) => told.event === "error"));
  assert.equal(await early.evaluate(() => heard.find((told) => told.event === "error").told.code), "key");

  await vault.post(`/v1/organisation/${vault.organisation}`, { keyless_capture_origins: [shop.origin] });
  const page = await stand.open("/keyless", { fields: 1 });
  await input(page, "card", "Card number").fill("4111111111111111");
  await input(page, "card", /Expiry/).fill("12/35");
  await input(page, "card", "Security code").fill("123");
  const requests = [];
  page.on("request", (request) => request.url().endsWith("/v1/card") && requests.push(request.headers()));
  assert.equal(await pay(page), "SETTLEMENT_REQUESTED with Visa 1111");
  assert.equal(requests.length, 1);
  assert.equal(requests[0]["x-apikey"], undefined);
  await page.context().close();
}
