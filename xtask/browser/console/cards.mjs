// Cards: found, looked at, given a CVV, deleted, and made.
import assert from "node:assert/strict";
import { button, dialog, fact, go, input, nothingSaid, rows, settled, type, VISA } from "./stand.mjs";

const ROWS = 50;
const WITHIN_ROWS = 10;
const DISCOVER = "6011111111111117";

export async function cards(stand) {
  for (let at = 0; at < ROWS + 5; at += 1) await stand.card(at === 0 ? DISCOVER : VISA.cardNumber);
  const page = await stand.signedIn("cards");
  assert.equal(await rows(page).count(), ROWS);
  assert.match(await page.getByText(/Page 1/).textContent(), /^Page 1, \d+ in all$/);
  const first = await page.locator("tbody a.whole").first().getAttribute("href");
  await button(page, "Older").click();
  await page.getByText(/^Page 2/).waitFor();
  assert.notEqual(await page.locator("tbody a.whole").first().getAttribute("href"), first);
  await button(page, "Newer").click();
  await page.getByText(/^Page 1/).waitFor();
  assert.equal(await page.locator("tbody a.whole").first().getAttribute("href"), first);

  // A filter stands in the address, so that the way back leads to it.
  await page.getByLabel("Last four digits").fill("1117");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelectorAll("main tbody tr").length < 50);
  await settled(page);
  for (const text of await rows(page).allTextContents()) assert.match(text, /601111\*{6}1117/);
  assert.match(page.url(), /#\/cards\?last_four=1117$/);
  await page.locator("tbody a.whole").first().click();
  await page.getByRole("heading", { name: /601111/ }).waitFor();
  await page.goBack();
  await settled(page);
  assert.equal(await page.getByLabel("Last four digits").inputValue(), "1117");
  await page.getByLabel("Last four digits").fill("0000");
  await page.keyboard.press("Enter");
  await page.getByText("Nothing matches").waitFor();
  await button(page, "Clear").click();
  await rows(page).nth(ROWS - 1).waitFor();

  // The key of a card's page: its clock, and others with its number.
  const card = await stand.card(DISCOVER, { cvv: "111" });
  await go(page, `cards/${card._id}`);
  assert.match(await fact(page, "CVV").textContent(), /Held 59 min \d+ s|Held 1 h/);
  const before = await fact(page, "CVV").textContent();
  await page.waitForFunction((before) => [...document.querySelectorAll("dd")].some((element) => /Held/.test(element.textContent) && element.textContent !== before), before);
  const same = page.locator("section", { has: page.getByRole("heading", { name: "The same card" }) }).locator("tbody tr");
  const { count } = await stand.get(`/v1/card/count?fingerprint=${card.fingerprint}`);
  assert.ok(count >= 2);
  assert.equal(await same.count(), Math.min(count, WITHIN_ROWS));
  await button(page, "End the CVV").click();
  await button(dialog(page), "End it").click();
  await page.getByText("The CVV is gone").waitFor();
  await page.waitForFunction(() => [...document.querySelectorAll("dd")].some((element) => element.textContent === "None"));

  await button(page, "Put a CVV back").click();
  await input(page, "cardCvc").click();
  await input(page, "cardCvc").pressSequentially("739");
  await button(dialog(page), "Put it back").click();
  await page.getByText("The CVV is held").waitFor();
  await page.locator("dd").filter({ hasText: "Held" }).waitFor();

  await button(page, "Change").click();
  await dialog(page).getByLabel("Metadata").fill("order = 1001\nno pair");
  await button(dialog(page), "Save").click();
  await dialog(page).getByText("Metadata must have one pair a line: name = value").waitFor();
  await dialog(page).getByLabel("Metadata").fill("order = 1001");
  await button(dialog(page), "Save").click();
  await fact(page, "Metadata").filter({ hasText: "order 1001" }).waitFor();

  // Nothing is deleted by the first press, nor by Escape.
  await button(page, "Delete").click();
  await dialog(page).waitFor();
  await page.keyboard.press("Escape");
  await dialog(page).waitFor({ state: "detached" });
  await button(page, "Delete").click();
  await button(dialog(page), "Delete for good").click();
  await page.getByText("The card was deleted").waitFor();
  assert.equal((await fetch(`${stand.origin}/v1/card/${card._id}`, { headers: { "X-APIKEY": stand.apiKey } })).status, 404);
  await go(page, `cards/${card._id}`);
  await page.getByText("It was deleted, or belongs to somebody else").waitFor();
  await nothingSaid(page, { failed: 1 });
}

/** A card that is typed goes by the vault's frames: the page never has it. */
export async function hostedCards(stand) {
  const page = await stand.signedIn("cards");
  const sent = [];
  page.on("request", (request) => request.method() === "POST" && sent.push({ frame: request.frame(), url: request.url() }));
  await button(page, "Add a card").click();
  await type(page, { ...VISA, cardNumber: "4111111111111112" });
  await button(dialog(page), "Add").click();
  await dialog(page).getByRole("alert").waitFor();
  await input(page, "cardNumber").fill("");
  await type(page, { cardNumber: VISA.cardNumber });
  await button(dialog(page), "Add").click();
  await page.getByRole("heading", { name: /411111/ }).waitFor();
  assert.deepEqual(sent.map(({ url }) => new URL(url).pathname), ["/v1/card"]);
  assert.notEqual(sent[0].frame, page.mainFrame(), "the page sent the card itself");
  for (const { url } of stand.asked) assert.ok(!url.includes("frame.html?"), url);
  await nothingSaid(page);
}
