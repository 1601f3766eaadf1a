// Whoever cannot see, use a mouse or read English pays too.
import assert from "node:assert/strict";
import { violations } from "../axe.mjs";
import { faults } from "../look.mjs";
import { input, last, nothingSaid, pay, SEPARATE, told, type, VISA } from "./stand.mjs";

const WIDTHS = [360, 768, 1440];
const LANGUAGES = ["en", "de", "fr", "es", "it", "nl", "pl", "pt", "ja"];

export async function looks(stand) {
  const { screenshots } = stand;
  for (const path of ["/", "/card"]) {
    for (const colorScheme of ["light", "dark"]) {
      for (const width of WIDTHS) {
        const page = await stand.open(path, { fields: path === "/" ? 4 : 1, viewport: { width, height: 640 }, colorScheme });
        const at = `${path} at ${width} px, ${colorScheme}`;
        if (path === "/") await type(page, { ...VISA, cardExpiry: "0120" });
        else await input(page, "card", "Card number").fill(VISA.cardNumber);
        await page.getByRole("button", { name: "Pay" }).focus();
        if (path === "/") await page.waitForFunction(() => heard.some(({ told }) => told?.error?.code === "expired"));
        assert.deepEqual(await violations(page), [], at);
        assert.deepEqual(await page.evaluate(faults), [], at);
        const sizes = await page.evaluate(() => [...document.querySelectorAll("iframe")].map((frame) => [frame.clientWidth, frame.clientHeight]));
        for (const [, height] of sizes) assert.ok(height >= 24 && height < 120, `${height} px high ${at}`);
        for (const frame of page.frames().filter((frame) => frame.parentFrame())) {
          const [inner, outer] = await frame.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
          assert.ok(inner <= outer, `${inner} of ${outer} px ${at}`);
          // Seen on what is behind the frame: of the page's colour, or what is typed would be dark on dark.
          const colours = await frame.evaluate(() => [...document.querySelectorAll("input, .brand span")].map((element) => getComputedStyle(element).color));
          const seen = { light: ["rgb(34, 34, 34)", "rgb(176, 0, 32)"], dark: ["rgb(238, 238, 238)", "rgb(255, 138, 128)"] }[colorScheme];
          for (const colour of colours) assert.ok(seen.includes(colour), `${colour} ${at}`);
        }
        if (screenshots) await page.screenshot({ path: `${screenshots}/fields${path === "/" ? "" : "-card"}-${width}-${colorScheme}.png` });
        await page.context().close();
      }
    }
  }
  // 200 % zoom is half the width and twice the scale; forced colours; no motion.
  const page = await stand.open("/card", { fields: 1, viewport: { width: 320, height: 400 }, deviceScaleFactor: 2, forcedColors: "active", reducedMotion: "reduce" });
  assert.deepEqual(await violations(page), []);
  if (screenshots) await page.screenshot({ path: `${screenshots}/fields-forced.png` });
  await page.context().close();
}

/** What is behind a frame is seen through it, whatever schemes its page says that it has. */
export async function schemes(stand) {
  const blank = await (await stand.browser.newContext()).newPage();
  // A pixel at the right of a picture, where nothing is written, drawn by a page that no policy binds.
  const pixel = (png) => blank.evaluate(async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const context = new OffscreenCanvas(1, 1).getContext("2d");
    const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    context.drawImage(image, 6 - image.width, -image.height / 2);
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
  }, png.toString("base64"));
  for (const schemes of ["light dark", "dark", "light", "normal"]) {
    stand.pages["/schemes"] = stand.page(["card"], { before: `<meta name="color-scheme" content="${schemes}">` });
    for (const [colorScheme, ground] of [["light", 255], ["dark", 24]]) {
      const page = await stand.open("/schemes", { fields: 1, colorScheme });
      const seen = await pixel(await page.locator("iframe").screenshot());
      assert.deepEqual(seen, [ground, ground, ground], `a page of ${schemes}, ${colorScheme}`);
      await page.context().close();
    }
  }
  await blank.context().close();
}

export async function keyboard(stand) {
  const page = await stand.open("/", { fields: 4 });
  // Focus goes from process to process: a key may be pressed when the field has said that it has it, and the others that they have not.
  const focused = (name) => page.waitForFunction((name) => {
    const at = heard.filter(({ event }) => event === "focus" || event === "blur").reduce((at, { name, event }) => at.set(name, event), new Map());
    const within = [...at].filter(([, event]) => event === "focus").map(([name]) => name);
    const element = document.activeElement;
    return name === "BUTTON" ? element.tagName === name && within.length === 0 : element.parentElement.id === name && within.join() === name;
  }, name);
  await page.locator("h1").click();
  const order = [...SEPARATE, "BUTTON"];
  for (const name of order) {
    await page.keyboard.press("Tab");
    await focused(name);
    if (VISA[name]) await page.keyboard.type(VISA[name]);
  }
  await page.keyboard.press("Enter");
  assert.equal(await told(page), "SETTLEMENT_REQUESTED with Visa 1111");
  for (const name of [...SEPARATE].reverse()) {
    await page.keyboard.press("Shift+Tab");
    await focused(name);
  }
  // A label of the page, and the program, put the focus into the frame.
  await page.locator('label[for="cardCvc"]').click();
  await focused("cardCvc");
  await page.keyboard.type("55");
  assert.equal(await input(page, "cardCvc").inputValue(), "55");
  await page.evaluate(() => fields.cardExpiry.focus());
  await focused("cardExpiry");
  // What lacks is announced, and described where it lacks.
  const error = page.frameLocator("#cardCvc iframe").locator("#cvc-error");
  await error.filter({ hasText: "The security code is incomplete." }).waitFor();
  assert.equal(await error.getAttribute("aria-live"), "polite");
  assert.equal(await input(page, "cardCvc").getAttribute("aria-describedby"), "cvc-error");
  for (const [name, autocomplete, mode] of [["cardNumber", "cc-number", "numeric"], ["cardExpiry", "cc-exp", "numeric"], ["cardCvc", "cc-csc", "numeric"], ["cardHolder", "cc-name", "text"]]) {
    assert.deepEqual([await input(page, name).getAttribute("autocomplete"), await input(page, name).getAttribute("inputmode")], [autocomplete, mode]);
  }
  nothingSaid(page);
  await page.context().close();

  // The combined field has three stops, both ways.
  const card = await stand.open("/card", { fields: 1 });
  await card.locator("h1").click();
  const inner = (id) => card.frames()[1].waitForFunction((id) => document.activeElement.id === id && document.hasFocus(), id);
  for (const id of ["number", "expiry", "cvc"]) {
    await card.keyboard.press("Tab");
    await inner(id);
  }
  for (const id of ["expiry", "number"]) {
    await card.keyboard.press("Shift+Tab");
    await inner(id);
  }
  // One who goes from input to input in it has not left it.
  assert.deepEqual(await card.evaluate(() => heard.map(({ event }) => event).filter((event) => event === "focus" || event === "blur")), ["focus"]);
  nothingSaid(card);
  await card.context().close();
}

export async function languages(stand) {
  const seen = new Set();
  for (const language of LANGUAGES) {
    stand.pages["/language"] = () => stand.page(["cardNumber"], { lang: `${language}-x-test` });
    const page = await stand.open("/language", { fields: 1 });
    const status = await pay(page);
    seen.add(status);
    const frame = page.frames()[1];
    assert.equal(await frame.evaluate(() => document.documentElement.lang), language);
    assert.equal(await page.locator("iframe").getAttribute("title"), await frame.title());
    assert.equal((await last(page, "cardNumber")).error.message, status.replace(/^.*?: /, ""));
    await page.context().close();
  }
  assert.equal(seen.size, LANGUAGES.length);
  // What the page's script says wins over the page's language; of a language without texts it is English.
  for (const [locale, lang, expected] of [["ja", "de", "ja"], ["ja_JP", "de", "ja"], ["xx", "de", "en"], ["", "", "fr"]]) {
    stand.pages["/language"] = () => stand.page(["cardNumber"], { lang, locale });
    const page = await stand.open("/language", { fields: 1, locale: "fr-CA" });
    assert.equal(await page.frames()[1].evaluate(() => document.documentElement.lang), expected);
    await page.context().close();
  }
}

/** What a shop may say of the look, and what not. */
export async function styles(stand) {
  const page = await stand.open("/", { fields: 4 });
  await page.evaluate(() => fields.cardNumber.update({ style: {
    base: { color: "rgb(1, 2, 3)", fontSize: "20px", position: "fixed", backgroundImage: "url(https://x.example/)", backgroundColor: "url(https://x.example/)", fontFamily: "a;} input { display: none", content: "x", color2: "red", "padding-top": "9px" },
    placeholder: { color: "rgb(4, 5, 6)" },
    focus: { color: "rgb(7, 8, 9)" },
    complete: { color: "rgb(10, 11, 12)" },
  } }));
  const css = (pseudo) => input(page, "cardNumber").evaluate((element, pseudo) => {
    const { color, fontSize, position, backgroundImage, backgroundColor, display, paddingTop, fontFamily } = getComputedStyle(element, pseudo);
    return { color, fontSize, position, backgroundImage, backgroundColor, display, paddingTop, odd: fontFamily.includes("display") };
  }, pseudo);
  await page.frames()[1].waitForFunction(() => getComputedStyle(document.querySelector("input")).fontSize === "20px");
  const base = await css(null);
  assert.deepEqual(base, { color: "rgb(1, 2, 3)", fontSize: "20px", position: "static", backgroundImage: "none", backgroundColor: "rgba(0, 0, 0, 0)", display: base.display, paddingTop: "0px", odd: false });
  assert.notEqual(base.display, "none");
  assert.equal((await css("::placeholder")).color, "rgb(4, 5, 6)");
  await type(page, { cardNumber: "4111" });
  assert.equal((await css(null)).color, "rgb(7, 8, 9)");
  await type(page, { cardNumber: "111111111111" });
  await page.locator("h1").click();
  assert.equal((await css(null)).color, "rgb(10, 11, 12)");
  // Moved in the page, a frame is loaded anew, and greeted anew.
  await page.evaluate(() => document.querySelector("main").append(document.querySelector("#cardNumber")));
  await page.waitForFunction(() => heard.filter((told) => told.name === "cardNumber" && told.event === "ready").length === 2);
  await type(page, { cardNumber: "4" });
  await page.evaluate(() => { fields.cardNumber.unmount(); fields.cardNumber.mount("#cardNumber"); });
  await page.waitForFunction(() => heard.filter((told) => told.name === "cardNumber" && told.event === "ready").length === 3);
  assert.equal(await input(page, "cardNumber").inputValue(), "");
  nothingSaid(page);
}
