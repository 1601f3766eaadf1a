// Looks at /docs of a running server in Debian's chromium: node docs.mjs URL [DIRECTORY FOR SCREENSHOTS]
import assert from "node:assert/strict";
import { launch } from "./chromium.mjs";
import { faults } from "./look.mjs";

const [url, screenshots] = process.argv.slice(2);
const browser = await launch();

try {
  await findsWhatIsWrong();
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [320, 390, 768, 1280]) {
      await fits(width, colorScheme);
    }
  }
  await works();
  console.log("the page fits from 320 to 1280 px, light and dark, and its buttons copy");
} finally {
  await browser.close();
}

// A page that is wrong is found to be: what finds nothing there finds nothing anywhere.
async function findsWhatIsWrong() {
  const page = await browser.newPage({ viewport: { width: 320, height: 700 } });
  await page.setContent('<body style="background:#fff"><p style="width:605px">wide</p><p style="color:#8a8a8a">pale</p>');
  const found = await page.evaluate(faults);
  assert.equal(found.filter((fault) => fault.includes("px")).length, 2, found.join("\n"));
  assert.equal(found.filter((fault) => fault.includes("contrast of 3.4")).length, 1, found.join("\n"));
  await page.close();
}

// Opens the page, in a context of its own, and collects what it should not do.
async function open(options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith(`${url}/`)) complaints.push(`it loads ${request.url()}`);
  });
  const answer = await page.goto(`${url}/docs`);
  assert.equal(answer.status(), 200);
  const policy = answer.headers()["content-security-policy"];
  assert.ok(policy.includes("default-src 'none'") && !policy.includes("unsafe"), policy);
  return { context, page, complaints };
}

async function fits(width, colorScheme) {
  const { context, page, complaints } = await open({ viewport: { width, height: 844 }, colorScheme });
  const at = `at ${width} px, ${colorScheme}`;
  if (screenshots) {
    await page.screenshot({ path: `${screenshots}/docs-${width}-${colorScheme}.png` });
    await page.evaluate(() => document.getElementById("card_create").scrollIntoView());
    await page.screenshot({ path: `${screenshots}/docs-${width}-${colorScheme}-card.png` });
    await page.evaluate(() => document.getElementById("transaction_create").parentElement.querySelector(".samples").scrollIntoView());
    await page.screenshot({ path: `${screenshots}/docs-${width}-${colorScheme}-samples.png` });
  }
  assert.deepEqual(await page.evaluate(faults), [], at);
  assert.equal(await page.evaluate(() => document.querySelector("nav details").open), width > 960, `contents ${at}`);
  await page.evaluate(() => { document.querySelector("nav details").open = true; });
  assert.deepEqual(await page.evaluate(faults), [], `${at}, with its contents`);
  assert.deepEqual(complaints, [], at);
  await context.close();
}

async function works() {
  const { context, page, complaints } = await open({ viewport: { width: 390, height: 844 }, permissions: ["clipboard-read", "clipboard-write"] });
  const blocks = page.locator("figure");
  assert.ok((await blocks.count()) > 30);
  const first = blocks.first();
  await first.getByRole("button", { name: "Copy" }).click();
  await first.getByRole("button", { name: "Copied" }).waitFor();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal(copied, await first.locator("pre").textContent());
  assert.ok(copied.startsWith("curl "), copied);

  await page.locator("nav summary").click();
  await page.locator('nav a[href="#card_update"]').click();
  assert.equal(new URL(page.url()).hash, "#card_update");
  assert.equal(await page.evaluate(() => document.querySelector("nav details").open), false, "contents fold when one is chosen");
  await page.locator('#card_update >> xpath=.. >> a[href="#error-109"]').click();
  await page.locator("#error-109:target").waitFor();
  const nowhere = await page.evaluate(() => [...document.querySelectorAll('a[href^="#"]')].map((link) => link.hash.slice(1)).filter((id) => !document.getElementById(id)));
  assert.deepEqual(nowhere, []);
  assert.deepEqual(complaints, []);
  await context.close();
}
