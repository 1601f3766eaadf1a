// Each role sees what it may, and nothing else; and the console asks for nothing that its key may not.
import assert from "node:assert/strict";
import { go, nothingSaid, settled } from "./stand.mjs";

const USER = {
  screens: ["Cards", "Transactions", "Refunds", "Checkouts", "Set-up"],
  setUp: ["Organisations", "Accounts", "Customers", "Webhooks", "Issuers"],
  buttons: [],
};
const CASHIER = { ...USER, screens: ["Cards", "Transactions", "Refunds", "Checkouts", "Terminal", "Set-up"], buttons: ["Take back", "Add a card", "Put a CVV back", "Change", "Capture", "Void", "Add a customer"] };
const SUPERVISOR = { ...CASHIER, buttons: [...CASHIER.buttons, "Delete", "Refund"] };
const ADMIN = {
  screens: [...CASHIER.screens, "Trail"],
  setUp: ["Organisations", "Accounts", "Processors", "Customers", "API keys", "Webhooks", "Issuers"],
  buttons: [...SUPERVISOR.buttons, "Add an API key"],
};
const EXPECTED = {
  ProviderAdmin: { ...ADMIN, screens: ["Overview", ...ADMIN.screens], buttons: [...ADMIN.buttons, "Add an organisation", "Add an account", "Add a processor"] },
  ProviderUser: { ...USER, setUp: ADMIN.setUp },
  MerchantAdmin: ADMIN,
  MerchantSupervisor: SUPERVISOR,
  MerchantCashier: CASHIER,
  MerchantUser: USER,
};
/** Where buttons stand that some may press: lists, a checkout, a card, a reserved payment, and one that is settled. */
const OF_ROLES = [...EXPECTED.ProviderAdmin.buttons];

export async function roles(stand) {
  const reserved = await stand.pay(2000, { capture_now: false });
  const settled_ = await stand.pay(2000);
  stand.settle();
  const checkout = await stand.post("/v1/checkout", { account: stand.account, amount: 100, return_url: "https://shop.example/" });
  const places = [`checkouts/${checkout._id}`, "cards", `cards/${reserved.card}`, `transactions/${reserved._id}`, `transactions/${settled_._id}`];
  for (const [role, expected] of Object.entries(EXPECTED)) {
    const { api_key } = await stand.key(role, [role]);
    const page = await stand.signedIn(undefined, { key: api_key });
    await settled(page);
    assert.deepEqual(await page.getByRole("navigation", { name: "Screens" }).getByRole("link").allTextContents(), expected.screens, role);
    const found = new Set();
    const look = async () => {
      for (const text of await page.locator("main").getByRole("button").allTextContents()) if (OF_ROLES.includes(text)) found.add(text);
    };
    for (const place of places) {
      await go(page, place);
      await look();
    }
    await go(page, "setup");
    const sections = page.getByRole("navigation", { name: "Set-up" }).getByRole("link");
    assert.deepEqual(await sections.allTextContents(), expected.setUp, role);
    for (const section of expected.setUp) {
      await sections.getByText(section, { exact: true }).click();
      await page.getByRole("heading", { name: section, level: 1 }).waitFor();
      await settled(page);
      await look();
    }
    // "Change" of an object stands where it may be changed; what a list adds is enough of the rest.
    assert.deepEqual([...found].sort(), [...expected.buttons].sort(), role);
    for (const screen of ["terminal", "trail", "overview"]) {
      await go(page, screen);
      const isThere = expected.screens.some((title) => title.toLowerCase() === screen);
      assert.equal(await page.getByRole("heading", { name: "There is no such screen" }).count(), isThere ? 0 : 1, `${role} at ${screen}`);
    }
    assert.deepEqual(page.refused, [], `what ${role} may not was asked for`);
    await nothingSaid(page);
  }

  // A browser's key has no place here, and is told so.
  const { api_key } = await stand.key("web", ["Publishable"], { allowed_origins: ["https://shop.example"] });
  const page = await stand.open();
  await page.getByLabel("API key").fill(api_key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator(".fault, .empty").first().waitFor();
  assert.equal(await page.locator("main table, main tbody").count(), 0);
  await page.context().close();
}
