// How long fields take until they can be typed into: prints milliseconds, one number a line, of pages that were never loaded before.
// node fields/bench.mjs URL ORGANISATION ACCOUNT TIMES, with PANVAULT_API_KEY in the environment.
import { Stand } from "./stand.mjs";
import { Vault } from "./vault.mjs";

const [url, organisation, account, times] = process.argv.slice(2);
const stand = await Stand.start(new Vault(url, process.env.PANVAULT_API_KEY, organisation, account));
try {
  for (let time = 0; time < Number(times); time += 1) {
    // A context of its own has a cache of its own.
    const page = await stand.open("/", { fields: 4 });
    // From when the page's script makes the first field until the last is ready.
    console.log(await page.evaluate(() => Math.max(...heard.filter(({ event }) => event === "ready").map(({ at }) => at)) - began));
    await page.context().close();
  }
} finally {
  await stand.stop();
}
