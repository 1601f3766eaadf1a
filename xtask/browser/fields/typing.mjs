// How what is typed and pasted is laid out, and what the page hears of it.
import assert from "node:assert/strict";
import { input, last, nothingSaid, type } from "./stand.mjs";

export async function typing(stand) {
  const page = await stand.open("/", { fields: 4, permissions: ["clipboard-read", "clipboard-write"] });
  const number = input(page, "cardNumber");
  const expiry = input(page, "cardExpiry");
  const cvc = input(page, "cardCvc");

  // Typed, what is shown then, and the brand.
  for (const [typed, shown, brand, complete] of [
    ["4111-1111 1111 1111", "4111 1111 1111 1111", "Visa", true],
    ["378282246310005", "3782 822463 10005", "Amex", true],
    ["30569309025904", "3056 930902 5904", "Diners", true],
    ["5555555555554444999", "5555 5555 5555 4444", "Mastercard", true],
    ["6200000000000000000", "6200 0000 0000 0000 000", "UnionPay", true],
    ["４１１１１１１１１１１１１１１１", "4111 1111 1111 1111", "Visa", true],
    ["4111111111111112", "4111 1111 1111 1112", "Visa", false],
    ["0000000000000000", "0000 0000 0000 0000", null, false],
    ["3", "3", null, false],
    ["4", "4", "Visa", false],
    ["37", "37", "Amex", false],
    ["63737423", "6373 7423", "Hiper", false],
    ["637374", "6373 74", "Maestro", false],
    ["abc", "", null, false],
  ]) {
    await number.fill("");
    await number.pressSequentially(typed);
    assert.equal(await number.inputValue(), shown, typed);
    if (shown) assert.deepEqual(((state) => [state.brand, state.complete])(await last(page, "cardNumber")), [brand, complete], typed);
  }

  // The caret stays between its digits.
  const caret = () => number.evaluate((element) => element.selectionStart);
  await number.fill("");
  await number.pressSequentially("41111111");
  for (let times = 0; times < 6; times += 1) await number.press("ArrowLeft");
  await number.pressSequentially("9");
  assert.deepEqual([await number.inputValue(), await caret()], ["4119 1111 1", 4]);
  await number.press("ArrowRight");
  await number.press("Backspace");
  assert.deepEqual([await number.inputValue(), await caret()], ["4111 1111", 3], "a separator is deleted with the digit before it");
  await number.press("Delete");
  assert.deepEqual([await number.inputValue(), await caret()], ["4111 111", 3]);
  await number.press("ArrowRight");
  await number.press("Delete");
  assert.deepEqual([await number.inputValue(), await caret()], ["4111 11", 4], "a separator is deleted with the digit behind it");

  const thisYear = new Date().getUTCFullYear();
  for (const [typed, shown, state] of [
    ["1/29", "01 / 29", "complete"],
    ["0129", "01 / 29", "complete"],
    ["01 2029", "01 / 2029", "complete"],
    ["12/2029", "12 / 2029", "complete"],
    ["1-35", "01 / 35", "complete"],
    ["535", "05 / 35", "complete"],
    ["1", "1", "incomplete"],
    ["12", "12 / ", "incomplete"],
    ["12/203", "12 / 203", "incomplete"],
    ["1335", "13 / 35", "invalid"],
    ["0035", "00 / 35", "invalid"],
    ["0120", "01 / 20", "expired"],
    [`12/${thisYear + 20}`, `12 / ${thisYear + 20}`, "complete"],
    [`12/${thisYear + 21}`, `12 / ${thisYear + 21}`, "invalid"],
  ]) {
    await expiry.fill("");
    await expiry.pressSequentially(typed);
    assert.equal(await expiry.inputValue(), shown, typed);
    await expiry.blur();
    await page.waitForFunction((code) => {
      const { complete, error } = heard.filter((told) => told.name === "cardExpiry" && told.event === "change").at(-1).told;
      return (complete ? "complete" : error?.code) === code;
    }, state);
  }
  await expiry.fill("");
  await expiry.pressSequentially("12");
  for (const shown of ["1", ""]) {
    await expiry.press("Backspace");
    assert.equal(await expiry.inputValue(), shown);
  }

  // The CVV has the length of the brand.
  await number.fill("378282246310005");
  await cvc.fill("12345");
  assert.equal(await cvc.inputValue(), "1234");
  assert.equal((await last(page, "cardCvc")).complete, true);
  await number.fill("4111111111111111");
  await page.waitForFunction(() => heard.filter((told) => told.name === "cardCvc" && told.event === "change").at(-1).told.complete === false);

  // Whole cards fill the fields beside.
  for (const [pasted, ...shown] of [
    ["4111-1111-1111-1111", "4111 1111 1111 1111", "", ""],
    ["4242 4242 4242 4242 01/35 123", "4242 4242 4242 4242", "01 / 35", "123"],
    ["Card: 378282246310005\n1/2035\n1234", "3782 822463 10005", "01 / 2035", "1234"],
    // Without an expiry, what is behind the number may be one.
    ["4111111111111111 1229", "4111 1111 1111 1111", "", ""],
  ]) {
    await page.evaluate(() => { for (const field of Object.values(fields)) field.clear(); });
    await page.waitForFunction(() => ["cardNumber", "cardExpiry", "cardCvc"].every((name) => heard.filter((told) => told.name === name && told.event === "change").at(-1).told.empty));
    await page.evaluate((text) => navigator.clipboard.writeText(text), pasted);
    await number.focus();
    await number.press("Control+V");
    assert.deepEqual([await number.inputValue(), await expiry.inputValue(), await cvc.inputValue()], shown, pasted);
  }

  // Brands that the shop does not take are refused at once, in words.
  await page.evaluate(() => { fields.cardNumber.clear(); fields.cardNumber.update({ brands: ["Mastercard"], placeholder: "Number", ariaLabel: "Your card" }); });
  await page.frameLocator("#cardNumber iframe").getByLabel("Your card").waitFor();
  assert.equal(await number.getAttribute("placeholder"), "Number");
  await type(page, { cardNumber: "4" });
  assert.deepEqual((await last(page, "cardNumber")).error, { code: "brand", message: "Cards of this brand are not accepted." });
  nothingSaid(page);
}

/** A page hears of a change of state, not of keys: two numbers of a brand sound the same, whichever digits they have. */
export async function soundsAlike(stand) {
  const hear = async (digits) => {
    const page = await stand.open("/", { fields: 4 });
    await type(page, { cardNumber: digits });
    await input(page, "cardNumber").blur();
    await page.waitForFunction(() => heard.at(-1).event === "blur");
    const told = await page.evaluate(() => heard.map(({ name, event, told }) => ({ name, event, told: told ?? null })));
    await page.context().close();
    return told.filter(({ event }) => event !== "ready");
  };
  const one = await hear("4111111111111111");
  assert.deepEqual(one.map(({ event }) => event), ["focus", "change", "change", "blur"]);
  // The first 13 digits of the second are a number of the scheme too.
  assert.deepEqual(await hear("4222222222222006"), one);
  assert.deepEqual(await hear("4000000000001000"), one);
}

/** A page that asks at every key, and takes the focus away and gives it back, hears of no number but the whole one. */
export async function asksAtEveryKey(stand) {
  const hear = async (digits) => {
    const page = await stand.open("/", { fields: 4 });
    await type(page, { cardExpiry: "1235", cardCvc: "739" });
    await page.evaluate(() => {
      document.body.append(Object.assign(document.createElement("input"), { id: "bait" }));
      window.codes = [];
    });
    await input(page, "cardNumber").click();
    for (const digit of digits) {
      await input(page, "cardNumber").press(digit);
      await page.evaluate(async () => {
        document.querySelector("#bait").focus();
        fields.cardNumber.blur();
        const asked = vault.tokenize().then(({ card }) => card.lastFour, ({ code, field }) => `${code} ${field}`);
        fields.cardNumber.focus();
        codes.push(await asked);
      });
    }
    const codes = await page.evaluate(() => codes);
    await page.context().close();
    return codes;
  };
  const codes = await hear("4222222222222");
  assert.deepEqual([...new Set(codes)], ["incomplete cardNumber"]);
  // Left by whoever types, it is a number as good as any.
  const page = await stand.open("/", { fields: 4 });
  await type(page, { cardNumber: "4222222222222" });
  assert.equal((await last(page, "cardNumber")).complete, false);
  await input(page, "cardNumber").press("Tab");
  await page.waitForFunction(() => heard.filter((told) => told.name === "cardNumber" && told.event === "change").at(-1).told.complete);
  await page.context().close();
}
