// Checkouts: a list, one of them, and taking it back; how its page looks is set up beside it.
import assert from "node:assert/strict";
import { button, dialog, fact, go, nothingSaid, rows, settled } from "./stand.mjs";

/** A picture of one pixel. */
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

export async function checkouts(stand) {
  const made = await stand.post("/v1/checkout", { account: stand.account, amount: 1250, merchant_reference: "order-77", return_url: "https://shop.example/thanks" });
  const page = await stand.signedIn("checkouts?merchant_reference=order-77");
  await rows(page).first().waitFor();
  assert.equal(await rows(page).count(), 1);
  assert.match(await rows(page).first().textContent(), /Open.*12\.50.*order-77/);
  await rows(page).getByRole("link").first().click();
  await page.getByRole("heading", { level: 1 }).getByText("Open").waitFor();
  await settled(page);
  assert.equal(await fact(page, "Attempts").textContent(), "0, 3 left");
  assert.match(await fact(page, "Page").textContent(), new RegExp(`/v1/checkout/view/${made._id}\\.html`));
  await button(page, "Take back").click();
  await button(dialog(page), "Take back for good").click();
  await page.getByRole("heading", { level: 1 }).getByText("Cancelled").waitFor();
  await settled(page);
  assert.equal(await button(page, "Take back").count(), 0);
  assert.equal((await stand.get(`/v1/checkout/${made._id}`)).status, "cancelled");

  // A theme is one object: what was not typed anew stays.
  const themed = await stand.post("/v1/organisation", { name: "Themed", checkout_theme: { title: "Till 4", radius: 4 } });
  await go(page, `setup/organisations/${themed._id}`);
  await button(page, "Change").click();
  await dialog(page).getByLabel("Checkout: colour of buttons").fill("#0a7d5a");
  await dialog(page).getByLabel("Where checkouts may lead back to").fill("https://shop.example");
  await button(dialog(page), "Save").click();
  await page.getByText("Saved").waitFor();
  await settled(page);
  const after = await stand.get(`/v1/organisation/${themed._id}`);
  assert.deepEqual(after.checkout_theme, { title: "Till 4", primary_colour: "#0a7d5a", radius: 4 });
  assert.deepEqual(after.return_origins, ["https://shop.example"]);
  await page.getByLabel(/^PNG or JPEG/).setInputFiles({ name: "logo.png", mimeType: "image/png", buffer: Buffer.from(PIXEL, "base64") });
  await page.getByText("1 by 1").waitFor();
  await button(page, "Remove the logo").click();
  await page.getByText("Pages of checkouts show none.").waitFor();
  // How old its keys are is seen there, and no key.
  assert.match(await page.getByRole("region", { name: "Table of encryption keys" }).textContent(), /Data.*Active.*Fingerprint.*Active/);
  // One that damaged rows keep is told: nobody waits for it.
  const stuck = { _id: "0".repeat(24), organisation: themed._id, purpose: "data", version: 1, state: "open_only", created_at: "2026-01-02T03:04:05.000Z", overdue: false, rows_left: 0, rows_damaged: 2 };
  const keys = `**/v1/organisation/${themed._id}/key*`;
  await page.route(keys, (route) => route.fulfill({ json: [stuck] }));
  await go(page, "checkouts");
  await go(page, `setup/organisations/${themed._id}`);
  await page.getByText("A rotation does not end by itself").waitFor();
  assert.match(await page.getByRole("region", { name: "Table of encryption keys" }).textContent(), /Data.*Open only.*Stuck.*0.*2/);
  await page.unroute(keys);

  // On a telephone every column of what has no page of its own is there.
  await page.setViewportSize({ width: 360, height: 720 });
  await go(page, "trail");
  await rows(page).first().waitFor();
  assert.ok(await rows(page).first().getByText(/The vault|Nobody known|[0-9a-f]{24}|\S/).first().isVisible());
  const shown = await rows(page).first().locator("td").evaluateAll((cells) => cells.filter((cell) => cell.offsetParent !== null).length);
  assert.equal(shown, 6, "every column of the trail");
  await nothingSaid(page);
}
