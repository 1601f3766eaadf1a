// `/try`, the shop that `panvault dev` serves: a card is saved, pays, pays without its CVV, gets it back, is declined.
import assert from "node:assert/strict";
import { input } from "./stand.mjs";

const CARD = { number: "3782 822463 10005", expiry: "12/35", cvc: "1111", holder: "A. N. Other" };

export async function tries(stand) {
  for (const [name, size] of Object.entries({ phone: [360, 900], tablet: [768, 1000], desktop: [1440, 900] })) {
    for (const colorScheme of ["light", "dark"]) {
      const context = await stand.browser.newContext({ viewport: { width: size[0], height: size[1] }, colorScheme });
      const page = await context.newPage();
      const complaints = [];
      // A browser calls the answer to a declined payment a failure to load.
      page.on("console", (message) => message.text().includes("403 (Forbidden)") || complaints.push(message.text()));
      page.on("pageerror", (error) => complaints.push(String(error)));
      await page.goto(`${stand.vault.url}/try`);
      await page.getByRole("button", { name: "Save the card" }).and(page.locator(":enabled")).waitFor();
      for (const id of ["number", "expiry", "cvc", "holder"]) {
        await input(page, id).click();
        await input(page, id).pressSequentially(CARD[id]);
      }
      if (stand.screenshots) await page.screenshot({ path: `${stand.screenshots}/try-${name}-${colorScheme}.png`, fullPage: true });
      const said = (text) => page.locator("#said").filter({ hasText: text }).waitFor();
      await page.getByRole("button", { name: "Save the card" }).click();
      await said("The card is saved.");
      assert.match(await page.locator("#card").textContent(), /^Amex ending in 0005$/);
      const pay = page.getByRole("button", { name: "Pay with the token" });
      await pay.click();
      await said("with the security code, which is gone now");
      await pay.click();
      await said("without a security code");
      await input(page, "cvc-again").pressSequentially("1111");
      await page.getByRole("button", { name: "Put it back" }).click();
      await said("has the security code again");
      await pay.click();
      await said("with the security code, which is gone now");
      await page.locator("#amount").selectOption("1121");
      await pay.click();
      await said("DECLINED (code 121)");
      if (stand.screenshots) await page.screenshot({ path: `${stand.screenshots}/try-paid-${name}-${colorScheme}.png`, fullPage: true });
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= size[0], `${width} px of ${size[0]}`);
      // What the page was told, in its own words, has no digit of the number but the last four.
      assert.doesNotMatch(await page.locator("#seen").textContent(), /3782|8224|6310|1111/);
      assert.deepEqual(complaints, []);
      await context.close();
    }
  }
}
