// The console in a browser, and the vault behind it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { launch } from "../chromium.mjs";

/** A Visa, and what else is on it. */
export const VISA = { cardNumber: "4111111111111111", cardExpiry: "1235", cardCvc: "739" };

export class Stand {
  static async start(options) {
    const stand = Object.assign(new Stand(), options);
    stand.origin = new URL(stand.url).origin;
    stand.asked = [];
    stand.keys = [stand.apiKey];
    stand.browser = await launch();
    return stand;
  }

  async post(path, body, key = this.apiKey) {
    const headers = { "X-APIKEY": key, "Content-Type": "application/json" };
    const answer = await fetch(`${this.origin}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    const told = await answer.json();
    if (!answer.ok) throw new Error(`${path} was answered ${answer.status}: ${JSON.stringify(told)}`);
    return told;
  }

  async get(path) {
    const answer = await fetch(`${this.origin}${path}`, { headers: { "X-APIKEY": this.apiKey } });
    if (!answer.ok) throw new Error(`${path} was answered ${answer.status}`);
    return answer.json();
  }

  async key(name, roles, more = {}) {
    const made = await this.post("/v1/apikey", { name, roles, ...more });
    this.keys.push(made.api_key);
    return made;
  }

  card(number = VISA.cardNumber, more = {}) {
    return this.post("/v1/card", { card_number: number, expiry_month: "12", expiry_year: "35", ...more });
  }

  async pay(amount, more = {}) {
    const { _id } = await this.card();
    return this.post("/v1/transaction", { account: this.account, card: _id, amount, ...more });
  }

  /** What was captured is settled, and what was refunded is done. */
  settle() {
    execFileSync(this.binary, ["settle", "--data", this.data], { env: {} });
  }

  /** The first screen, in a context of its own. What is asked and said is kept. */
  async open(options = {}) {
    const context = await this.browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    const page = await context.newPage();
    Object.assign(page, { complaints: [], refused: [] });
    page.on("console", (message) => page.complaints.push(message.text()));
    page.on("pageerror", (error) => page.complaints.push(String(error)));
    page.on("dialog", (dialog) => page.complaints.push(`a dialog: ${dialog.message()}`));
    page.on("request", (request) => this.asked.push({ url: request.url(), page: page.url() }));
    page.on("response", (answer) => answer.status() >= 400 && page.refused.push(`${answer.status()} ${answer.url()}`));
    await page.goto(this.url);
    return page;
  }

  /** Signed in, and at a place such as `cards?brand=Visa`. */
  async signedIn(place, { key = this.apiKey, ...options } = {}) {
    const page = await this.open(options);
    await page.getByLabel("API key").fill(key);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("navigation", { name: "Screens" }).waitFor();
    if (place !== undefined) await go(page, place);
    return page;
  }

  async stop() {
    await this.browser?.close();
  }
}

export async function go(page, place) {
  await page.evaluate((hash) => { location.hash = hash; }, `#/${place}`);
  await settled(page);
}

/** Nothing is loading any more. */
export async function settled(page) {
  await page.waitForFunction(() => document.querySelector("main h1") && !document.querySelector('[aria-busy="true"]') && document.querySelector("main h1").textContent !== "Loading…");
}

/** Closes the page, which complained of nothing: chromium says by itself which requests failed, where one was to. */
export async function nothingSaid(page, { failed = 0 } = {}) {
  const others = page.complaints.filter((text) => !text.startsWith("Failed to load resource"));
  assert.deepEqual(others, []);
  assert.equal(page.complaints.length, failed);
  await page.context().close();
}

/** The input of a hosted field. */
export const input = (page, name) => page.frameLocator(`#hosted-${name} iframe`).locator("input").first();

export async function type(page, card) {
  for (const [name, text] of Object.entries(card)) {
    await input(page, name).click();
    await input(page, name).pressSequentially(text);
  }
}

/** What is told of an object under a title. */
export const fact = (page, title) => page.locator("dl.facts > div", { has: page.locator("dt", { hasText: new RegExp(`^${title}$`) }) }).locator("dd").first();
export const button = (page, name) => page.getByRole("button", { name, exact: true });
export const dialog = (page) => page.locator("dialog[open]");
export const rows = (page) => page.locator("main tbody tr");
