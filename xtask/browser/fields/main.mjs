// The vault's fields in pages of shops: node fields/main.mjs URL ORGANISATION ACCOUNT [DIRECTORY FOR SCREENSHOTS]
// In the environment: PANVAULT_API_KEY, and ONLY for the test of that name alone.
import { keyboard, languages, looks, schemes, styles } from "./access.mjs";
import { inject } from "./inject.mjs";
import { pays, paysWithoutKey } from "./pays.mjs";
import { Stand } from "./stand.mjs";
import { react } from "./react.mjs";
import { secrecy } from "./secrecy.mjs";
import { strangers, trouble } from "./strangers.mjs";
import { tries } from "./try.mjs";
import { asksAtEveryKey, soundsAlike, typing } from "./typing.mjs";
import { Vault } from "./vault.mjs";

const [url, organisation, account, screenshots] = process.argv.slice(2);
const { PANVAULT_API_KEY: apiKey, ONLY: only } = process.env;
const stand = await Stand.start(new Vault(url, apiKey, organisation, account), screenshots);
try {
  const tests = [pays, paysWithoutKey, typing, soundsAlike, asksAtEveryKey, secrecy, strangers, trouble, looks, schemes, keyboard, languages, styles, react, inject, tries];
  for (const test of tests) {
    if (only && only !== test.name) continue;
    await test(stand);
    console.log(`fields: ${test.name}`);
  }
} finally {
  await stand.stop();
}
