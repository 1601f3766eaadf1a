// Set-up: an organisation with all that it needs to be paid, and an API key that is shown once.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { button, dialog, fact, go, nothingSaid, rows, settled } from "./stand.mjs";

async function add(page, section, name, fill) {
  await go(page, `setup/${section}`);
  await button(page, name).click();
  await fill(dialog(page));
  await button(dialog(page), "Add").click();
}

export async function setUp(stand) {
  const name = `Seller ${crypto.randomUUID().slice(0, 8)}`;
  const page = await stand.signedIn("setup");
  await add(page, "organisations", "Add an organisation", async (form) => {
    await form.getByLabel(/^Name/).fill(name);
    await form.getByLabel("Country").fill("Netherlands");
  });
  // What is wrong is said at its field, and what was typed stays.
  await dialog(page).locator("[aria-invalid=true]").waitFor();
  assert.equal(await dialog(page).getByLabel("Country").evaluate((element) => element === document.activeElement), true);
  assert.equal(await dialog(page).getByLabel(/^Name/).inputValue(), name);
  await dialog(page).getByLabel("Country").fill("NL");
  await button(dialog(page), "Add").click();
  await page.getByRole("heading", { name }).waitFor();
  const seller = page.url().split("/").pop();
  await go(page, "setup/organisations");
  await page.locator(".tree").getByRole("link", { name, exact: true }).waitFor();
  await page.locator(".tree").getByRole("button", { name: `What is below ${name}`, exact: true }).click();
  await page.getByText("Nothing is below it").waitFor();

  await add(page, "processors", "Add a processor", async (form) => {
    await form.getByLabel(/^Name/).fill("Stripe");
    await form.getByLabel("Organisation").selectOption(seller);
    await form.getByLabel(/^Type/).fill("card_stripe");
    await form.getByLabel("Secret key").fill("sk_test_of_nobody");
  });
  await page.getByRole("heading", { name: "Stripe", level: 1 }).waitFor();
  assert.equal(await fact(page, "Secrets that are set").textContent(), "secret_key");
  assert.ok(!(await page.content()).includes("sk_test_of_nobody"), "a secret is shown");

  await add(page, "accounts", "Add an account", async (form) => {
    await form.getByLabel(/^Name/).fill("Euro");
    await form.getByLabel("Organisation").selectOption(seller);
    await form.getByLabel(/^Currency/).fill("EUR");
    await form.getByLabel("Stripe").first().check();
    await form.getByLabel("URL to tell of transactions").fill("http://127.0.0.1:9/hook");
  });
  const once = dialog(page).locator("code.once");
  await once.waitFor();
  assert.match(await once.textContent(), /^whsec_/);
  await button(dialog(page), "I have copied it").click();
  await page.getByRole("heading", { name: "Euro" }).waitFor();

  await page.context().grantPermissions(["clipboard-write"]);
  await add(page, "keys", "Add an API key", async (form) => {
    await form.getByLabel(/^Name/).fill("shop");
    await form.getByLabel("Publishable").check();
    await form.getByLabel("Allowed origins").fill("https://shop.example\nhttps://www.shop.example");
    await form.getByLabel("Expires").fill("2035-01-31T12:00");
  });
  await once.waitFor();
  const key = await once.textContent();
  stand.keys.push(key);
  assert.match(key, /^pv_pub_/);
  await button(dialog(page), "Copy API key").click();
  assert.equal(await pasted(page), key);
  // It is not lost by a key pressed in passing.
  await page.keyboard.press("Escape");
  assert.equal(await dialog(page).count(), 1);
  await button(dialog(page), "I have copied it").click();
  await page.getByRole("heading", { name: "shop" }).waitFor();
  await settled(page);
  assert.ok(!(await page.content()).includes(key), "the key is shown again");
  assert.equal(await fact(page, "Allowed origins").textContent(), "https://shop.examplehttps://www.shop.example");
  await button(page, "Rotate").click();
  await button(dialog(page), "Make the next key").click();
  await once.waitFor();
  const next = await once.textContent();
  assert.notEqual(next, key);
  stand.keys.push(next);
  await button(dialog(page), "I have copied it").click();
  await settled(page);
  await button(page, "Revoke").click();
  await button(dialog(page), "Revoke for good").click();
  await page.getByRole("heading", { name: "API keys", level: 1 }).waitFor();

  // What was told, and is told again.
  const euro = await stand.post(`/v1/account/${stand.account}`, { webhook_transaction_update: "http://127.0.0.1:9/hook" });
  assert.ok(euro.webhook_secret ?? true);
  await stand.pay(1000);
  await go(page, "setup/webhooks");
  await rows(page).first().waitFor();
  assert.match(await rows(page).first().textContent(), /Waiting|Failed/);

  await go(page, "setup/issuers");
  await page.getByLabel("First 6 to 11 digits").fill("41111111");
  await button(page, "Look up").click();
  await page.getByText("TEST BANK VISA NL").waitFor();

  // An email address is a person's: it narrows the list, and stands in no address.
  await stand.post("/v1/customer", { first_name: "Ann", last_name: "Lee", email_address: "ann.lee@shop.example" });
  await go(page, "setup/customers");
  await page.getByLabel("Email address").fill("ann.lee@shop.example");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelectorAll("main tbody tr").length === 1);
  assert.ok(!page.url().includes("ann"));

  // What an examination of the trail came to stands above it.
  await go(page, "trail");
  await page.getByText("was not run since this server started").waitFor();
  execFileSync(stand.binary, ["audit", "verify", "--data", stand.data], { env: {}, stdio: "pipe" });
  await go(page, "cards");
  await go(page, "trail");
  await page.getByText(/^Verified/).first().waitFor();

  await go(page, "trail?action=customer_create");
  assert.match(await rows(page).first().textContent(), /Customer create/);
  assert.equal(await page.getByText(/Document create/).count(), 1, "only the name of the filter");
  await nothingSaid(page, { failed: 1 });
}

/** What was copied, as another page gets it: those of the console may not read it. */
async function pasted(page) {
  const other = await page.context().newPage();
  await other.setContent("<textarea></textarea>");
  await other.locator("textarea").focus();
  await other.keyboard.press("Control+V");
  const text = await other.locator("textarea").inputValue();
  await other.close();
  return text;
}
