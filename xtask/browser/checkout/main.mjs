// The vault's page for shoppers: node checkout/main.mjs URL ORGANISATION ACCOUNT [DIRECTORY FOR SCREENSHOTS]
// In the environment: PANVAULT_API_KEY, and ONLY for the test of that name alone.
import { Vault } from "../fields/vault.mjs";
import { brands, currencies, keyboard, languages, looks } from "./access.mjs";
import { cancels, countsDown, declines, expires, lacks, waits } from "./ends.mjs";
import { asksLater, backAndForth, doubleClick, reloads, sendsAgain, twoWindows } from "./once.mjs";
import { keeps, knowsNothing, pays, verifies } from "./pays.mjs";
import { Stand } from "./stand.mjs";
import { framed, hostileTheme, logo } from "./theme.mjs";

const [url, organisation, account, screenshots] = process.argv.slice(2);
const { PANVAULT_API_KEY: apiKey, ONLY: only } = process.env;
const stand = await Stand.start(new Vault(url, apiKey, organisation, account), screenshots);
try {
  const tests = [
    pays, keeps, verifies, knowsNothing, declines, cancels, countsDown, lacks, waits, doubleClick, sendsAgain, asksLater, twoWindows, reloads, backAndForth, keyboard, brands,
    currencies, languages, hostileTheme, logo, framed, looks, expires,
  ];
  for (const test of tests) {
    if (only && only !== test.name) continue;
    await test(stand);
    console.log(`checkout: ${test.name}`);
  }
} finally {
  await stand.stop();
}
