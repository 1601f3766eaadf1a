// Who may come in, and where the key is then.
import assert from "node:assert/strict";
import { button, nothingSaid, settled } from "./stand.mjs";

/** Everywhere that a page keeps something. */
const kept = (page) => page.evaluate(() => JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie, location.href, document.documentElement.outerHTML, history.state]));

export async function signIn(stand) {
  const page = await stand.open();
  const field = page.getByLabel("API key");
  assert.equal(await field.evaluate((element) => element === document.activeElement), true);
  await button(page, "Sign in").click();
  assert.deepEqual(page.refused, [], "an empty key was sent");
  await field.fill("pv_test_nobody");
  await button(page, "Sign in").click();
  const alert = page.getByRole("alert");
  await alert.waitFor();
  assert.match(await alert.textContent(), /Code 116 · HTTP 401 · Request [0-9a-f]{24}/);

  // What is pasted has an end of line behind it.
  await field.fill(` ${stand.apiKey}\n`.trimEnd());
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  assert.equal((await kept(page)).includes(stand.apiKey), false, "the key is kept");
  await page.reload();
  await field.waitFor();

  await field.fill(stand.apiKey);
  await page.getByLabel("Keep it until this tab is closed").check();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  const [session, local] = await page.evaluate(() => [JSON.stringify({ ...sessionStorage }), JSON.stringify({ ...localStorage })]);
  assert.ok(session.includes(stand.apiKey) && !local.includes(stand.apiKey));
  await page.reload();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await button(page, "Sign out").click();
  await field.waitFor();
  assert.equal((await kept(page)).includes(stand.apiKey), false, "the key is kept when one has signed out");
  await nothingSaid(page, { failed: 1 });

  // A key that is revoked meanwhile ends the session, and nothing of it stays on the screen.
  const made = await stand.key("leaver", ["MerchantUser"]);
  const leaver = await stand.signedIn("cards", { key: made.api_key });
  await fetch(`${stand.origin}/v1/apikey/${made._id}`, { method: "DELETE", headers: { "X-APIKEY": stand.apiKey } });
  await leaver.getByRole("link", { name: "Transactions" }).click();
  await leaver.getByText("This key is not valid any more").waitFor();
  assert.equal(await leaver.locator("main table").count(), 0);
  await leaver.context().close();

  // After a quarter of an hour without a key or a click nobody is signed in.
  const context = await stand.browser.newContext();
  const idle = await context.newPage();
  await idle.clock.install();
  await idle.goto(stand.url);
  await idle.getByLabel("API key").fill(stand.apiKey);
  await button(idle, "Sign in").click();
  await idle.getByRole("heading", { name: "Overview" }).waitFor();
  await idle.clock.fastForward(14 * 60_000);
  await settled(idle);
  await idle.clock.fastForward(2 * 60_000);
  await idle.getByText("nothing was done for 15 minutes").waitFor();
  await context.close();
}

/** Of all that was asked and opened: no key is in an address, and nothing goes elsewhere. */
export async function secrecy(stand) {
  assert.ok(stand.asked.length > 100, `${stand.asked.length} requests`);
  for (const { url, page } of stand.asked) {
    assert.ok(url.startsWith(`${stand.origin}/`) || url.startsWith(`blob:${stand.origin}/`), url);
    for (const key of stand.keys) assert.ok(!decodeURIComponent(url).includes(key) && !decodeURIComponent(page).includes(key), "a key is in an address");
  }
}
