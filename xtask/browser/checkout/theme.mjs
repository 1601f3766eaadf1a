// A merchant's own look, and what a hostile one cannot do.
import assert from "node:assert/strict";
import { deflateSync } from "node:zlib";
import { violations } from "../axe.mjs";
import { faults } from "../look.mjs";
import { serve } from "../fields/shop.mjs";
import { button, done, fill, retell, returned } from "./stand.mjs";

const MARKUP = `<img src=x onerror="window.hit = 1"><script>window.hit = 1</script>{amount}$&`;
const THEMES = {
  dark: { primary_colour: "#ffcc00", background_colour: "#10202f", text_colour: "#f4f4f4", font: "serif", radius: 0, title: "Lanterns of the north", button_text: "Order and pay", footer_text: "Made by hand." },
  // Nobody could read these as they are.
  pale: { primary_colour: "#fefefe", background_colour: "#ffffff", text_colour: "#eeeeee", font: "mono", radius: 24 },
  grey: { primary_colour: "#808080", background_colour: "#777777", text_colour: "#888888" },
};

/** A picture of one colour, as files are: a PNG with its checksums, and words that are no part of it. */
function png(width, height, colour) {
  const crc = (bytes) => ~bytes.reduce((crc, byte) => {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    return crc;
  }, ~0);
  const word = (value) => Buffer.from([value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]);
  const chunk = (kind, body) => {
    const covered = Buffer.concat([Buffer.from(kind), body]);
    return Buffer.concat([word(body.length), covered, word(crc(covered))]);
  };
  const line = Buffer.concat([Buffer.from([0]), ...Array(width).fill(Buffer.from(colour))]);
  const parts = [
    Buffer.from("89504e470d0a1a0a", "hex"),
    chunk("IHDR", Buffer.concat([word(width), word(height), Buffer.from([8, 2, 0, 0, 0])])),
    chunk("tEXt", Buffer.from("Comment\0words")),
    chunk("IDAT", deflateSync(Buffer.concat(Array(height).fill(line)))),
    chunk("IEND", Buffer.alloc(0)),
  ];
  return Buffer.concat(parts).toString("base64");
}

export async function logo(stand) {
  const account = await stand.account({ merchant: "Lantern & Sons" });
  const { organisation } = await stand.vault.get(`/v1/account/${account}`);
  for (const [width, height] of [[600, 100], [40, 400]]) {
    await stand.vault.post(`/v1/organisation/${organisation}/logo`, { image: png(width, height, [255, 140, 0]) });
    for (const [across, colorScheme] of [[320, "light"], [768, "dark"]]) {
      const page = await stand.ready(await stand.checkout({ account }), { viewport: { width: across, height: 800 }, colorScheme });
      const image = page.getByRole("img", { name: "Lantern & Sons", exact: true });
      await image.waitFor();
      await page.waitForFunction(() => document.getElementById("logo").complete);
      assert.deepEqual(await image.evaluate((image) => [image.naturalWidth, image.naturalHeight]), [width, height]);
      const shown = await image.boundingBox();
      assert.ok(shown.width <= 128 && shown.height <= 56 && Math.abs(shown.width / shown.height - width / height) < 0.2, JSON.stringify(shown));
      assert.deepEqual(await page.evaluate(faults), []);
      assert.deepEqual(await violations(page), []);
      await stand.picture(page, `logo-${width}-${across}-${colorScheme}`);
      await done(page);
    }
  }
}

export async function hostileTheme(stand) {
  for (const [name, theme] of Object.entries(THEMES)) {
    const account = await stand.account({ theme });
    for (const width of [320, 768]) {
      const page = await stand.ready(await stand.checkout({ account, amount: 1121 }), { viewport: { width, height: 800 }, colorScheme: "dark" });
      assert.deepEqual(await page.evaluate(faults), [], name);
      if (width === 320) assert.deepEqual(await violations(page), [], name);
      await fill(page);
      await button(page).click();
      await page.waitForFunction(() => document.activeElement.id === "problem");
      assert.deepEqual(await page.evaluate(faults), [], `${name}, declined`);
      if (name === "dark") {
        assert.equal(await page.locator("h1").textContent(), theme.title);
        assert.equal(await button(page).textContent(), "Order and pay €11.21");
        assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor), "rgb(16, 32, 47)");
        assert.equal(await page.frames()[1].evaluate(() => getComputedStyle(document.querySelector("input")).color), "rgb(244, 244, 244)");
      }
      await stand.picture(page, `theme-${name}-${width}`);
      await done(page);
    }
  }

  // Texts with markup are texts, also the name of the organisation.
  const texts = { title: MARKUP, button_text: MARKUP, footer_text: MARKUP };
  const account = await stand.account({ merchant: MARKUP, theme: texts });
  const page = await stand.ready(await stand.checkout({ account }), { viewport: { width: 320, height: 800 } });
  for (const id of ["title", "footer", "merchant"]) assert.equal(await page.locator(`#${id}`).textContent(), MARKUP);
  assert.equal(await button(page).textContent(), `${MARKUP} €10.00`);
  assert.equal(await page.locator("main img:not(#logo), main script").count(), 0);
  assert.deepEqual(await page.evaluate(faults), []);
  await fill(page);
  await button(page).click();
  await page.getByText(`You are being taken back to ${MARKUP}.`).waitFor();
  assert.equal(await page.evaluate(() => window.hit), undefined);
  await returned(page);
  await done(page);

  // What the vault would never say is no style and no address even if it did.
  const answers = {
    theme: { primary_colour: "red;background:url(https://x.example/)", background_colour: "url(https://x.example/)", text_colour: "#12345", font: "__proto__", radius: "1px;color:red", title: 7, footer_text: ["x"] },
    merchant: { toString: "x" },
    status: "completed",
    return: "javascript:window.hit = 1",
  };
  for (const told of [answers, { ...answers, theme: "x", return: "data:text/html,x" }, { status: "completed", currency_code: "<b>" }, { theme: null, amount: "1" }]) {
    const odd = await stand.context().then((context) => context.newPage());
    const requests = [];
    odd.on("request", (request) => request.url().startsWith(stand.vault.url) || request.url() === "data:," || requests.push(request.url()));
    odd.on("pageerror", (error) => requests.push(String(error)));
    await retell(odd, () => told);
    await odd.goto((await stand.checkout()).url);
    await odd.locator("h1:visible").waitFor();
    assert.equal(await odd.locator("#back:visible").count(), 0);
    assert.equal(await odd.evaluate(() => document.documentElement.style.cssText), "");
    assert.equal(await odd.evaluate(() => window.hit), undefined);
    assert.deepEqual(requests, []);
    await odd.context().close();
  }
}

/** No other page shows it in a frame, or opens its fields. */
export async function framed(stand) {
  const checkout = await stand.checkout();
  const version = await stand.vault.hashes().then((hashes) => Object.keys(hashes).find((path) => path.endsWith("/frame.js")).split("/")[0]);
  const fields = `${stand.vault.url}/fields/${version}/frame.html?checkout=${checkout._id}#${"c".repeat(32)}.cardNumber.en`;
  const other = await serve({ "/": `<!doctype html><title>Other</title><link rel="icon" href="data:,"><iframe src="${checkout.url}"></iframe><iframe src="${fields}"></iframe>` });
  try {
    const page = await stand.context().then((context) => context.newPage());
    await page.goto(`${other.origin}/`);
    for (const frame of page.frames().slice(1)) {
      await frame.waitForLoadState();
      assert.equal(await frame.locator("input, #form").count(), 0, frame.url());
    }
    // Nor does it read or pay one.
    const asked = await page.evaluate(async ({ url, id }) => {
      const json = (body) => ({ method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
      const each = [[`${url}/v1/checkout/view/${id}.json`], [`${url}/v1/checkout/${id}/pay`, json({ attempt: 0 })], [`${url}/v1/checkout/${id}/card`, json({})]];
      return Promise.all(each.map(([address, init]) => fetch(address, init).then(({ ok }) => ok, () => "blocked")));
    }, { url: stand.vault.url, id: checkout._id });
    assert.ok(asked.every((answer) => answer !== true), asked.join());
    assert.equal((await stand.vault.get(`/v1/checkout/${checkout._id}`)).attempts_left, 3);
    await page.context().close();
  } finally {
    other.close();
  }
}
