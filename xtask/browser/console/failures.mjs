// What goes wrong is said, and what others wrote stays text.
import assert from "node:assert/strict";
import { button, dialog, go, nothingSaid, rows, settled } from "./stand.mjs";

export async function failures(stand) {
  const page = await stand.signedIn("cards");
  await page.route("**/v1/transaction?*", (route) => route.abort(), { times: 1 });
  await go(page, "transactions");
  await page.getByText("The vault did not answer").waitFor();
  await button(page, "Try again").click();
  await rows(page).first().waitFor();
  assert.equal(await page.getByText("The vault did not answer").count(), 0);
  await go(page, "nowhere");
  await page.getByText("There is no such screen").waitFor();

  // While one list loads, another screen can be gone to, and the late answer changes nothing.
  let release;
  const held = new Promise((resolve) => { release = resolve; });
  await page.route("**/v1/refund?*", async (route) => {
    await held;
    await route.continue().catch(() => {});
  }, { times: 1 });
  await page.evaluate(() => { location.hash = "#/refunds"; });
  await page.getByRole("status", { name: "Loading" }).waitFor();
  await go(page, "cards");
  release();
  await rows(page).first().waitFor();
  assert.equal(await page.locator("main h1").textContent(), "Cards");
  await nothingSaid(page, { failed: 1 });
}

const MARKUP = `<img src=x onerror="document.title='run'"><b>&amp;`;

export async function markup(stand) {
  const short = `<img src=x onerror=alert(1)>`;
  const organisation = await stand.post("/v1/organisation", { name: MARKUP });
  const processor = await stand.post("/v1/processor", { name: MARKUP, configuration: { _type: "card_dummy" } });
  const account = await stand.post("/v1/account", { name: MARKUP, currency_code: "EUR", description: MARKUP, processors: [processor._id] });
  const key = await stand.key(MARKUP, ["MerchantUser"]);
  const customer = await stand.post("/v1/customer", { first_name: MARKUP, last_name: MARKUP, city: MARKUP });
  const card = await stand.card("4111111111111111", { metadata: { [short]: MARKUP } });
  const paid = await stand.post("/v1/transaction", { account: account._id, card: card._id, amount: 1000, customer: customer._id, merchant_reference: MARKUP, dynamic_descriptor: MARKUP, user_agent: MARKUP });
  const page = await stand.signedIn();
  const places = ["transactions", `transactions/${paid._id}`, `cards/${card._id}`, "setup/organisations", `setup/organisations/${organisation._id}`, "setup/accounts", `setup/accounts/${account._id}`, "setup/processors", `setup/processors/${processor._id}`, "setup/customers", `setup/customers/${customer._id}`, "setup/keys", `setup/keys/${key._id}`, "trail", "terminal"];
  let seen = 0;
  for (const place of places) {
    await go(page, place);
    assert.equal(await page.locator("main img, main b, main script").count(), 0, place);
    assert.ok(!(await page.title()).includes("run"), place);
    if ((await page.locator("main").textContent()).includes("<img src=x")) seen += 1;
  }
  assert.ok(seen >= 12, `the markup was seen at ${seen} places`);
  await go(page, `setup/accounts/${account._id}`);
  await button(page, "Change").click();
  assert.equal(await dialog(page).getByLabel(/^Name/).inputValue(), MARKUP);
  await page.keyboard.press("Escape");
  await settled(page);
  await nothingSaid(page);
}
