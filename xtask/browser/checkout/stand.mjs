// A shop that sends its shoppers to the vault's page, and gets them back.
import assert from "node:assert/strict";
import { launch } from "../chromium.mjs";
import { serve } from "../fields/shop.mjs";
import { input, type } from "../fields/stand.mjs";

export { input, type };

const FIELDS = ["number", "expiry", "cvc", "holder"];
/** A Visa, and what else is on it, by the places of the page. */
export const CARD = { number: "4111111111111111", expiry: "1235", cvc: "739", holder: "A. N. Other" };
const page = (title) => `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${title}</title><link rel="icon" href="data:,"></head><body><h1>${title}</h1></body></html>`;

export class Stand {
  static async start(vault, screenshots) {
    const stand = new Stand();
    Object.assign(stand, { vault, screenshots });
    stand.shop = await serve({ "/": page("Cart"), "/done": page("Thank you") });
    stand.processors = (await vault.get(`/v1/account/${vault.account}`)).processors;
    stand.browser = await launch();
    // Seconds, the fewest that the vault takes.
    stand.shortLived = await stand.ready(await stand.checkout({ expires_in: 60 }));
    return stand;
  }

  /** An account of its own, of an organisation of that name and look. */
  async account({ merchant = "Lantern & Sons", theme, ...more }) {
    const organisation = await this.vault.post("/v1/organisation", { name: merchant, parent_id: this.vault.organisation, ...(theme && { checkout_theme: theme }) });
    const account = await this.vault.post("/v1/account", { name: "Shop", organisation: organisation._id, currency_code: "EUR", processors: this.processors, ...more });
    return account._id;
  }

  /** Makes a checkout: its id, and where its page is. */
  checkout(more = {}) {
    const { configurations, ...rest } = more;
    return this.vault.post("/v1/checkout", {
      account: this.vault.account,
      amount: 1000,
      merchant_reference: `order-${crypto.randomUUID()}`,
      return_url: `${this.shop.origin}/done`,
      configurations: { card: { process_transaction: true, capture_now: true, dynamic_descriptor: "Lanterns", ...configurations } },
      ...rest,
    });
  }

  /** What its page is told. */
  async state(checkout) {
    const answer = await fetch(`${this.vault.url}/v1/checkout/view/${checkout._id}.json`, { headers: { "Sec-Fetch-Site": "same-origin" } });
    return answer.json();
  }

  async transactions(reference) {
    return this.vault.get(`/v1/transaction?merchant_reference=${encodeURIComponent(reference)}`);
  }

  async context(options = {}) {
    return this.browser.newContext({ viewport: { width: 768, height: 900 }, locale: "en-GB", ...options });
  }

  /** Opens its page in a context of its own, unless one is given. What it is told may be changed. */
  async open(checkout, { context, told, ...options } = {}) {
    const page = await (context ?? (await this.context(options))).newPage();
    watch(page);
    if (told) await retell(page, () => told);
    await page.goto(checkout.url);
    return page;
  }

  /** The same, and waits for the fields. */
  async ready(checkout, options) {
    const page = await this.open(checkout, options);
    await fieldsOf(page);
    return page;
  }

  async picture(page, name) {
    if (this.screenshots) await page.screenshot({ path: `${this.screenshots}/checkout-${name}.png`, fullPage: true });
  }

  async stop() {
    await this.browser?.close();
    this.shop?.close();
  }
}

/** Collects what a page should not do. A browser calls a refusal a failure to load. */
function watch(page) {
  page.complaints = [];
  page.sent = [];
  page.on("console", (message) => /status of 40[34]/.test(message.text()) || page.complaints.push(message.text()));
  page.on("pageerror", (error) => page.complaints.push(String(error)));
  page.on("request", (request) => {
    if (request.url().endsWith("/pay")) page.sent.push(JSON.parse(request.postData()).attempt);
  });
}

/** Has the request done, as the page would have: what a browser says of where it is from is not repeated by itself. */
export function fetched(route) {
  const headers = { ...route.request().headers(), "sec-fetch-site": "same-origin" };
  return route.fetch({ headers });
}

/** What the page is told is changed on its way. */
export function retell(page, change) {
  return page.route("**/view/*.json", async (route) => {
    const response = await fetched(route);
    const json = { ...(await response.json()), ...change(route) };
    return route.fulfill({ response, json });
  });
}

/** Waits until all fields can be typed into. */
export async function fieldsOf(page) {
  for (const id of FIELDS) await input(page, id).waitFor();
  await page.waitForFunction(() => [...document.querySelectorAll("iframe")].every((frame) => !frame.title.startsWith("card")));
}

export async function fill(page, card = CARD) {
  for (const [id, text] of Object.entries(card)) await input(page, id).fill(text);
}

export const button = (page) => page.locator("#pay");

export function heading(page, text) {
  return page.getByRole("heading", { level: 1, name: text, exact: true }).waitFor();
}

/** Waits until the shopper is in the shop again: with what it was told. */
export async function returned(page) {
  await page.waitForURL(/\/done/);
  await heading(page, "Thank you");
  return new URL(page.url()).searchParams;
}

export async function done(page) {
  assert.deepEqual(page.complaints, []);
  await page.context().close();
}
