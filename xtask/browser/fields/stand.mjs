// A shop of another origin than the vault's, its pages, and a browser that looks at them.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { launch } from "../chromium.mjs";
import { page as pageOf, policy, serve } from "./shop.mjs";

const here = (name) => readFileSync(new URL(name, import.meta.url), "utf8");
export const version = JSON.parse(here("../../../web/package.json")).version;
const LABELS = { cardNumber: "Card number", cardExpiry: "Expiry date", cardCvc: "Security code", cardHolder: "Name on card", card: "Card" };
export const SEPARATE = ["cardNumber", "cardExpiry", "cardCvc", "cardHolder"];

/** A Visa, and what else is on it. */
export const VISA = { cardNumber: "4111111111111111", cardExpiry: "1235", cardCvc: "739", cardHolder: "A. N. Other" };

export class Stand {
  static async start(vault, screenshots) {
    const stand = new Stand();
    Object.assign(stand, { vault, screenshots, paid: [] });
    stand.hash = (await vault.hashes())[`${version}/panvault.js`];
    stand.pages = {
      "/shop.js": here("shop.js"),
      "/hooks.js": here("hooks.js"),
      "/shop.css": { type: "text/css", text: here("shop.css") },
      "/pay": async (body) => {
        const transaction = await vault.pay(JSON.parse(body).card, 1000);
        stand.paid.push(transaction);
        return { status: transaction.status };
      },
    };
    stand.shop = await serve(stand.pages, { headers: { "Content-Security-Policy": policy(vault.url) } });
    stand.key = (await vault.publishableKey([stand.shop.origin])).key;
    stand.pages["/"] = () => stand.page(SEPARATE);
    stand.pages["/card"] = () => stand.page(["card"]);
    stand.pages["/cvc"] = () => stand.page(["cardCvc"]);
    stand.browser = await launch();
    return stand;
  }

  /** A page with these fields; `data` is for its script: key, locale, card. */
  page(names, { key = this.key, organisation = "", locale = "", before = "", lang = "en", script = "/shop.js" } = {}) {
    const field = (name) => `<label for="${name}">${LABELS[name]}</label><div id="${name}" data-field="${name}"></div>`;
    const body = `<form>${names.map(field).join("")}<button>Pay</button><p role="status"></p></form>`;
    const page = pageOf({ vault: this.vault.url, hash: this.hash, version, before, body, script });
    return page.replace('<html lang="en">', `<html lang="${lang}" data-key="${key}" data-organisation="${organisation}" data-locale="${locale}">`);
  }

  /** Opens a page in a context of its own, and waits until its fields are ready. */
  async open(path, { fields, ...options } = {}) {
    const context = await this.browser.newContext({ viewport: { width: 768, height: 700 }, ...options });
    const page = await context.newPage();
    page.complaints = [];
    page.on("console", (message) => page.complaints.push(message.text()));
    page.on("pageerror", (error) => page.complaints.push(String(error)));
    await page.goto(new URL(path, this.shop.origin).href);
    if (fields) await page.waitForFunction((count) => heard.filter((told) => told.event === "ready").length === count, fields);
    return page;
  }

  async stop() {
    await this.browser?.close();
    this.shop?.close();
  }
}

/** The input of a field. */
export const input = (page, name, label) => {
  const frame = page.frameLocator(`#${name} iframe`);
  return label ? frame.getByLabel(label) : frame.locator("input").first();
};

export async function type(page, card) {
  for (const [name, text] of Object.entries(card)) {
    await input(page, name).click();
    await input(page, name).pressSequentially(text);
  }
}

/** Presses the button, and waits for what the page says then. */
export async function pay(page) {
  await page.evaluate(() => { document.querySelector("[role=status]").textContent = ""; });
  await page.getByRole("button", { name: "Pay" }).click();
  return told(page);
}

export async function told(page) {
  const status = page.locator("[role=status]");
  await status.filter({ hasText: /./ }).waitFor();
  return status.textContent();
}

/** What a field's last change said. */
export const last = (page, name) => page.evaluate((name) => heard.filter((told) => told.name === name && told.event === "change").at(-1)?.told, name);

export function nothingSaid(page) {
  assert.deepEqual(page.complaints, []);
}
