// The console of a sealed vault: custodians bring what opens it to a page without a script.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { violations } from "../axe.mjs";

const PASSPHRASE = "correct horse battery staple 4 custodians";

export async function sealed(stand) {
  const home = mkdtempSync(join(tmpdir(), "panvault-sealed-"));
  const vault = join(home, "vault");
  const run = (...args) => execFileSync(stand.binary, args, { env: {}, stdio: "pipe" });
  let server;
  try {
    run("init", vault, "--mode", "test");
    const words = join(home, "passphrase");
    writeFileSync(words, PASSPHRASE, { mode: 0o600 });
    run("slot", "add", "passphrase", "--new-passphrase-file", words, "--label", "safe", "--data", vault);
    // People have what opens it.
    renameSync(`${vault}.slot-key`, join(home, "away"));
    const port = await free();
    server = spawn(stand.binary, ["serve", "--data", vault, "--listen", "127.0.0.1:0", "--set", "metrics_listen=", "--console-listen", `127.0.0.1:${port}`], { env: {}, stdio: "ignore" });
    const url = `http://127.0.0.1:${port}/console`;
    await answers(url, server);
    const page = await (await stand.browser.newContext({ viewport: { width: 360, height: 720 } })).newPage();
    const complaints = [];
    page.on("console", (message) => complaints.push(message.text()));
    await page.goto(url);
    await page.getByRole("heading", { name: "The vault is sealed" }).waitFor();
    assert.deepEqual(await violations(page), []);
    const isStyled = () => page.evaluate(() => getComputedStyle(document.querySelector("main")).borderTopLeftRadius !== "0px");
    assert.ok(await isStyled(), "its own style sheet is let in");
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 360);
    await page.getByLabel("Passphrase").fill("another one that opens nothing");
    await page.getByRole("button", { name: "Open with the passphrase" }).click();
    await page.locator("[role=status].wrong").waitFor();
    assert.ok(await isStyled());
    await page.getByLabel("Passphrase").fill(PASSPHRASE);
    await page.getByRole("button", { name: "Open with the passphrase" }).click();
    await page.getByRole("heading", { name: "The vault is open" }).waitFor();
    assert.ok(!page.url().includes("passphrase") && !(await page.content()).includes(PASSPHRASE));
    // The refusal is one that chromium says by itself.
    assert.deepEqual(complaints.filter((text) => !text.startsWith("Failed to load resource")), []);
    await page.context().close();
  } finally {
    server?.kill("SIGTERM");
    rmSync(home, { recursive: true, force: true });
  }
}

/** A port that nobody listens at: a sealed vault does not say where its console is. */
async function free() {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address();
  listener.close();
  await once(listener, "close");
  return port;
}

/** Waits until somebody answers there. */
async function answers(url, server) {
  while (server.exitCode === null) {
    if (await fetch(url).then(() => true, () => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`the server ended with ${server.exitCode}`);
}
