// How long each screen takes against a vault that is full, and what it holds: node console/bench.mjs CONSOLE ACCOUNT CARDS TRANSACTIONS
// In the environment: PANVAULT_API_KEY. With 0 cards the vault is taken as it is.
import { fill } from "./fill.mjs";
import { Stand } from "./stand.mjs";

const TIMES = 5;
/** So long may a screen take until it shows what it is for, and so much may the page hold. */
const MS_MAX = 200;
const HEAP_BYTES_MAX = 100_000_000;
/** After so long a screen is said not to come. */
const MS_WAITED_MAX = 20_000;
/** Pages of cards that are gone through. */
const PAGES = 40;

const [url, account, cards, transactions] = process.argv.slice(2);
const { PANVAULT_API_KEY: apiKey } = process.env;
const stand = await Stand.start({ url, apiKey, account });
if (Number(cards) > 0) await fill({ url: stand.origin, apiKey, account, cards: Number(cards), transactions: Number(transactions) });

const [card] = await stand.get("/v1/card?_limit=1");
const [transaction] = await stand.get("/v1/transaction?_limit=1");
/** Of each screen, what is there once it can be used. */
const SCREENS = {
  "overview": ".plot canvas",
  "cards": "main tbody tr:nth-child(50)",
  "cards?last_four=1117": "main tbody tr:nth-child(50)",
  "cards?issuer_country=NL": "main tbody tr:nth-child(50)",
  [`cards/${card._id}`]: "main dl.facts",
  "transactions": "main tbody tr:nth-child(50)",
  "transactions?status=AUTHORIZED": "main tbody tr:nth-child(50)",
  [`transactions?merchant_reference=${encodeURIComponent(transaction.merchant_reference)}`]: "main tbody tr",
  [`transactions/${transaction._id}`]: "main .timeline li",
  "refunds": "main .list .empty",
  "terminal": "#hosted-cardNumber iframe",
  "setup/organisations": "main tbody tr",
  "setup/keys": "main tbody tr",
  "trail": "main tbody tr:nth-child(50)",
};

const page = await stand.signedIn("setup/issuers");
let tooMuch = false;
for (const [place, selector] of Object.entries(SCREENS)) {
  const taken = [];
  for (let time = 0; time < TIMES; time += 1) {
    await page.evaluate(() => { location.hash = "#/setup/issuers"; });
    await page.waitForSelector("#digits");
    // By the page's own clock, from the click to the frame that shows it.
    taken.push(await page.evaluate(([hash, selector, longest]) => new Promise((resolve, reject) => {
      const from = performance.now();
      const look = () => {
        if (performance.now() - from > longest) reject(new Error(`${hash} does not show ${selector}`));
        else if (document.querySelector(selector) && !document.querySelector("#digits")) requestAnimationFrame(() => resolve(performance.now() - from));
        else requestAnimationFrame(look);
      };
      location.hash = hash;
      look();
    }), [`#/${place}`, selector, MS_WAITED_MAX]));
  }
  taken.sort((one, other) => one - other);
  const median = taken[Math.floor(TIMES / 2)];
  if (median > MS_MAX) tooMuch = true;
  console.log(`console: ${place.replace(/[0-9a-f]{24}/, "ID").padEnd(46)} ${median.toFixed(0).padStart(5)} ms (${taken[0].toFixed(0)} to ${taken.at(-1).toFixed(0)})`);
}
// Pages of a long list, one after the other, are given back.
await page.evaluate(() => { location.hash = "#/cards"; });
for (let at = 0; at < PAGES; at += 1) {
  await page.waitForSelector("main tbody tr:nth-child(50)");
  await page.getByRole("button", { name: "Older", exact: true }).click();
  await page.getByText(`Page ${at + 2},`).waitFor();
}
const rows = await page.locator("tbody tr").count();
const session = await page.context().newCDPSession(page);
await session.send("HeapProfiler.collectGarbage");
const { usedSize } = await session.send("Runtime.getHeapUsage");
console.log(`console: ${(usedSize / 1e6).toFixed(1)} MB of JavaScript after ${PAGES} pages of cards, ${rows} rows in the page`);
await stand.stop();
if (tooMuch || usedSize > HEAP_BYTES_MAX) {
  console.error(`console: more than ${MS_MAX} ms or ${HEAP_BYTES_MAX / 1e6} MB`);
  process.exit(1);
}
