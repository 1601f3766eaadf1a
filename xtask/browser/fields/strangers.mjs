// Pages of other origins, frames in frames, forged messages, other keys in the same page: they get nothing.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { policy, serve } from "./shop.mjs";
import { input, VISA, version } from "./stand.mjs";

const greetScript = readFileSync(new URL("greet.js", import.meta.url), "utf8");
const CHANNEL = "c".repeat(32);
const bare = '<!doctype html><title>Page</title><link rel="icon" href="data:,"><script src="/greet.js"></script><body></body>';

/** Whether a browser showed the document: an error page has none of its inputs. */
const shown = (page) => Promise.all(page.frames().filter((frame) => frame.parentFrame()).map((frame) => frame.locator("input").count()));

export async function strangers(stand) {
  const { vault, key } = stand;
  const address = (field, of = key) => `${vault.url}/fields/${version}/frame.html?key=${of}#${CHANNEL}.${field}.en`;
  const third = await serve({ "/": bare, "/greet.js": greetScript, "/around": () => `<!doctype html><title>Around</title><iframe src="${stand.shop.origin}/"></iframe>` }, { host: "127.0.0.1" });
  stand.pages["/bare"] = bare;
  stand.pages["/greet.js"] = greetScript;
  const wider = policy(vault.url).replace("frame-src", `frame-src ${third.origin}`);
  stand.pages["/shared"] = { text: bare, type: "text/html", headers: { "Content-Security-Policy": wider } };
  try {
    // A third origin: the browser shows it no frame.
    const context = await stand.browser.newContext();
    const page = await context.newPage();
    await page.goto(`${third.origin}/`);
    await page.evaluate((src) => frameOf(src), address("cardNumber"));
    assert.deepEqual(await shown(page), [0]);
    // Nor a frame in the shop's page in a frame of a third origin.
    await page.goto(`${third.origin}/around`);
    const inner = page.frames().find((frame) => frame.url().startsWith(stand.shop.origin));
    await inner.waitForFunction(() => document.querySelectorAll("iframe").length === 4);
    await inner.evaluate(() => Promise.all([...document.querySelectorAll("iframe")].map((frame) => frame.contentWindow.length)));
    const fields = page.frames().filter((frame) => frame.parentFrame() === inner);
    for (const frame of fields) assert.equal(await frame.locator("input").count(), 0);
    await context.close();

    // In the shop's page, greetings that are not those of a page that it made itself.
    const shop = await stand.open("/bare");
    const heard = await shop.evaluate(async ({ src, origin, channel }) => {
      const frame = await frameOf(src);
      const other = await frameOf(src.replace(channel, "d".repeat(channel.length)));
      for (const greeting of [null, "hello", 1, [], { panvault: "hello" }, { panvault: "hello", channel: "d".repeat(32) }, { panvault: "welcome", channel }, { panvault: "hello", channel: [channel] }]) {
        frame.contentWindow.postMessage(greeting, origin);
      }
      // The right greeting comes last, and is the only one that is answered; a second one is not.
      await greet(frame, origin, channel);
      frame.contentWindow.postMessage({ panvault: "hello", channel }, origin);
      await greet(other, origin, "d".repeat(32));
      return got.map(({ data, ports }) => ({ ...data, ports }));
    }, { src: address("cardNumber"), origin: vault.url, channel: CHANNEL });
    assert.deepEqual(heard, [
      { panvault: "welcome", channel: CHANNEL, title: "Card number", ports: 1 },
      { panvault: "welcome", channel: "d".repeat(32), title: "Card number", ports: 1 },
    ]);
    await shop.context().close();

    // A frame of a third origin in the shop's page knows the channel, and greets before the page does: it is not answered.
    const shared = await stand.open("/shared");
    await shared.evaluate((src) => frameOf(src), address("cardNumber"));
    await shared.evaluate((src) => frameOf(src), `${third.origin}/`);
    const intruder = shared.frames().find((frame) => frame.url().startsWith(third.origin));
    await intruder.evaluate(({ channel, origin }) => parent.frames[0].postMessage({ panvault: "hello", channel }, origin), { channel: CHANNEL, origin: vault.url });
    await shared.evaluate(({ channel, origin }) => greet(document.querySelector("iframe"), origin, channel).then(() => {}), { channel: CHANNEL, origin: vault.url });
    assert.deepEqual(await intruder.evaluate(() => got), []);
    assert.equal(await shared.evaluate(() => got.length), 1);
    await shared.context().close();

    // A second key whose pages are this shop's: its frame has the channel, and asks for the card that was typed under the first.
    const thief = (await vault.publishableKey([stand.shop.origin])).key;
    const robbed = await stand.open("/bare");
    await robbed.evaluate(async ({ number, expiry, origin, channel }) => {
      for (const [id, src] of [["cardNumber", number], ["cardExpiry", expiry]]) {
        const frame = await frameOf(src);
        const place = Object.assign(document.createElement("div"), { id });
        document.body.append(place);
        place.dataset.src = src;
        window[id] = frame;
        window[`${id}Port`] = await greet(frame, origin, channel);
      }
    }, { number: address("cardNumber"), expiry: address("cardExpiry"), origin: vault.url, channel: CHANNEL });
    const frames = robbed.frames().filter((frame) => frame.parentFrame());
    await frames[0].locator("input").fill(VISA.cardNumber);
    await frames[1].locator("input").fill(VISA.cardExpiry);
    const ask = (src) => robbed.evaluate(async ({ src, origin, channel }) => {
      const frame = await frameOf(src);
      const port = await greet(frame, origin, channel);
      // What it was never meant to be asked is not answered.
      for (const asked of [null, 1, "value", {}, { do: "value" }, { do: "constructor" }, { do: "__proto__" }]) port.postMessage(asked);
      return ask(port, { do: "tokenize", call: 1, options: {} });
    }, { src, origin: vault.url, channel: CHANNEL });
    const stolen = await ask(address("cardCvc", thief));
    assert.deepEqual([stolen.is, stolen.failure?.code, stolen.failure?.field], ["failed", "incomplete", "cardNumber"]);
    // The same key and channel find it: it was there to be found.
    const own = await robbed.evaluate(() => ask(cardNumberPort, { do: "tokenize", call: 2, options: {} }));
    assert.deepEqual([own.is, own.result?.card.lastFour], ["done", "1111"]);
    await robbed.context().close();
  } finally {
    third.close();
  }
}

/** A key that is wrong, revoked or another page's, and a frame whose script does not come. */
export async function trouble(stand) {
  const { vault } = stand;
  const revoked = await vault.publishableKey([stand.shop.origin]);
  await vault.revoke(revoked.id);
  const elsewhere = await vault.publishableKey(["https://other.example"]);
  for (const [key, code] of [["pv_pub_test_nonsense", "key"], [revoked.key, "key"], [elsewhere.key, "origin"]]) {
    stand.pages["/trouble"] = () => stand.page(["card"], { key, lang: "de-CH" });
    const page = await stand.open("/trouble");
    await page.waitForFunction(() => heard.some((told) => told.event === "error"));
    const [told, rejected] = await page.evaluate(async () => [heard.find((told) => told.event === "error").told.code, await vault.tokenize().catch((error) => error.code)]);
    assert.deepEqual([told, rejected], [code, code]);
    assert.ok(page.complaints.some((complaint) => complaint.startsWith("Panvault: ")), "whoever builds the page is told why");
    assert.equal(await page.evaluate(() => vault.tokenize().catch((error) => error.message)), "Das Kartenformular ist zurzeit nicht verfügbar.");
    await page.context().close();
  }

  const context = await stand.browser.newContext();
  const page = await context.newPage();
  await page.route("**/frame.js", (route) => route.abort());
  await page.goto(`${stand.shop.origin}/`);
  const begun = Date.now();
  await page.waitForFunction(() => heard.filter((told) => told.event === "error").length === 4, undefined, { timeout: 15_000 });
  assert.ok(Date.now() - begun < 11_000, "an error within 10 s");
  assert.deepEqual(await page.evaluate(() => [...new Set(heard.map((told) => told.told.code))]), ["frame_blocked"]);
  await context.close();

  // A frame that comes too late to be waited for works all the same.
  const late = await stand.browser.newContext();
  const slow = await late.newPage();
  let go;
  await slow.route("**/frame.js", async (route) => {
    await new Promise((resolve) => { go = resolve; });
    return route.continue();
  });
  stand.pages["/late"] = () => stand.page(["card"]);
  await slow.goto(`${stand.shop.origin}/late`, { waitUntil: "domcontentloaded" });
  await slow.waitForFunction(() => heard.some((told) => told.event === "error"), undefined, { timeout: 15_000 });
  go();
  await slow.waitForFunction(() => heard.some((told) => told.event === "ready"));
  assert.equal(await slow.evaluate(() => vault.tokenize().catch((error) => error.code)), "incomplete");
  await late.close();

  // Revoked while the page is open.
  const live = await vault.publishableKey([stand.shop.origin]);
  stand.pages["/live"] = () => stand.page(["card"], { key: live.key });
  const open = await stand.open("/live", { fields: 1 });
  await vault.revoke(live.id);
  await input(open, "card", "Card number").fill(VISA.cardNumber);
  await input(open, "card", /Expiry/).fill("1235");
  await input(open, "card", "Security code").fill("123");
  assert.equal(await open.evaluate(() => vault.tokenize().catch((error) => error.code)), "key");
  // The vault is still at a request whose answer was lost: it is asked again, under the same key.
  const keys = [];
  await open.route("**/v1/card", (route) => {
    keys.push(route.request().headers()["idempotency-key"]);
    const told = { code: 142, message: "in use", timestamp: 0 };
    return keys.length < 3 ? route.fulfill({ status: 409, json: told }) : route.fulfill({ status: 503, json: { ...told, code: 141 } });
  });
  const unavailable = await open.evaluate(() => vault.tokenize().catch((error) => ({ ...error, message: error.message })));
  assert.deepEqual([keys.length, new Set(keys).size, unavailable.status, unavailable.message], [3, 1, 503, "The connection failed. Please try again."]);
  await open.unroute("**/v1/card");
  // The vault is gone.
  await open.route("**/v1/card", (route) => route.abort());
  assert.equal(await open.evaluate(() => vault.tokenize().catch((error) => error.code)), "network");
  await open.context().close();
}
