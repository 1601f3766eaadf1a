// The console, as people use it: node console/main.mjs CONSOLE ORGANISATION ACCOUNT [DIRECTORY FOR SCREENSHOTS]
// In the environment: PANVAULT_API_KEY, BINARY and DATA (the binary, and the vault's directory), and ONLY for the test of that name alone.
import { keyboard, looks } from "./access.mjs";
import { cards, hostedCards } from "./cards.mjs";
import { checkouts } from "./checkouts.mjs";
import { failures, markup } from "./failures.mjs";
import { payments, terminal } from "./payments.mjs";
import { roles } from "./roles.mjs";
import { setUp } from "./set-up.mjs";
import { sealed } from "./sealed.mjs";
import { secrecy, signIn } from "./sign-in.mjs";
import { Stand } from "./stand.mjs";

const [url, organisation, account, screenshots] = process.argv.slice(2);
const { PANVAULT_API_KEY: apiKey, BINARY: binary, DATA: data, ONLY: only } = process.env;
const stand = await Stand.start({ url, apiKey, organisation, account, binary, data, screenshots });
try {
  // What was asked for is looked at in the end, so that test is the last.
  for (const test of [signIn, roles, cards, hostedCards, payments, terminal, checkouts, setUp, failures, markup, keyboard, looks, sealed, secrecy]) {
    if (only && only !== test.name) continue;
    const from = performance.now();
    await test(stand);
    console.log(`console: ${test.name} (${((performance.now() - from) / 1000).toFixed(1)} s)`);
  }
} finally {
  await stand.stop();
}
