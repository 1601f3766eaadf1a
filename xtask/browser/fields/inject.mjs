// Inject, called as the gateway's modules call it, without any key in the page.
import assert from "node:assert/strict";
import { input, VISA } from "./stand.mjs";
import { serve } from "./shop.mjs";

const IDS = ["_card_number", "_expiry", "_cvv", "_submit_button", "_alert_container"];

/** A shop's page whose own script is `call`. */
const page = (script, call) => `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shop</title><link rel="icon" href="data:,">
<script src="${script}"></script></head><body><form id="payment" method="post" action="/paid"><input type="hidden" name="order" value="17"></form>
<script>${call}</script></body></html>`;

export async function inject(stand) {
  const { vault } = stand;
  const forms = [];
  const paid = async (body) => {
    const form = Object.fromEntries(new URLSearchParams(body));
    forms.push(form);
    const { status } = await vault.pay(form.card, 1000);
    return { type: "text/html", text: `<title>Paid</title><p role="status">${status} for ${form.order}</p>` };
  };
  const pages = { "/paid": paid };
  // A shop that has no policy at all, as most that load this script.
  const shop = await serve(pages);
  const stranger = await serve(pages);
  const organisation_id = vault.organisation;
  const options = {
    organisation_id, account_id: vault.account, cardstore_url: `${vault.url}/v1/card/`, payment_products: ["card"],
    submit_title: "Pay now", card_number_placeholder: "Number", expiry_placeholder: "MM/YY", cvv_placeholder_3: "123", cvv_placeholder_4: "1234",
  };
  const call = (form, options) => `jsclient.injectForm(${form}, ${JSON.stringify(options)});`;
  const element = "document.getElementById('payment')";
  pages["/"] = page(`${vault.url}/static/jsclient/script.js`, call(element, options));
  pages["/own"] = page(`${vault.url}/cdn/jsclient.js`, `${call(`[${element}]`, { ...options, no_style: true, cvv_placeholder3: "abc" })}
    document.getElementById("_submit_button").remove();
    const own = document.createElement("button"); own.type = "button"; own.textContent = "Order"; own.onclick = () => ${element}.submit();
    document.body.append(own);`);
  // The shop's own check is registered behind ours, and its server takes its time: who presses again meanwhile is seen by the page.
  pages["/checked"] = page(`${vault.url}/cdn/jsclient.js`, `${call(element, options)}
    const form = ${element}, button = document.getElementById("_submit_button"), alerts = document.getElementById("_alert_container");
    form.action = "/slow";
    form.addEventListener("submit", (event) => { if (!window.agreed) event.preventDefault(); });
    form.addEventListener("formdata", () => setTimeout(() => {
      form.requestSubmit();
      setTimeout(() => fetch("/seen", { method: "POST", body: JSON.stringify([button.disabled, alerts.childElementCount]) }), 300);
    }, 100));`);
  let seen;
  const pressedAgain = new Promise((resolve) => {
    pages["/seen"] = (body) => {
      seen = JSON.parse(body);
      resolve();
      return {};
    };
  });
  pages["/slow"] = async (body) => {
    await pressedAgain;
    return paid(body);
  };
  pages["/bare"] = page(`${vault.url}/cdn/jsclient.js`, `try { jsclient.injectForm(${element}); } catch (error) { window.thrown = error.message; }`);

  const open = async (origin, path) => {
    const context = await stand.browser.newContext();
    const opened = await context.newPage();
    await opened.goto(new URL(path, origin).href);
    return opened;
  };
  const fill = async (opened, card) => {
    for (const [name, text] of Object.entries({ _card_number: card.cardNumber, _expiry: card.cardExpiry, _cvv: card.cardCvc })) {
      await input(opened, name).click();
      await input(opened, name).pressSequentially(text);
    }
  };
  const alert = (opened) => opened.locator("#_alert_container ul li");

  // Off by default: the page is told so, and nothing is sent.
  const off = await open(shop.origin, "/");
  await alert(off).filter({ hasText: /./ }).waitFor();
  await off.context().close();

  await vault.post(`/v1/organisation/${organisation_id}`, { keyless_capture_origins: [shop.origin] });
  try {
    const opened = await open(shop.origin, "/");
    for (const id of IDS) assert.equal(await opened.locator(`#${id}`).count(), 1, id);
    assert.equal(await opened.locator("#_submit_button").textContent(), "Pay now");
    assert.equal(await input(opened, "_card_number").getAttribute("placeholder"), "Number");
    assert.equal(await input(opened, "_cvv").getAttribute("placeholder"), "123");
    await opened.getByRole("button", { name: "Pay now" }).click();
    await alert(opened).filter({ hasText: /./ }).waitFor();
    assert.deepEqual(forms, [], "an incomplete form is not submitted");
    await input(opened, "_card_number").pressSequentially("37");
    await opened.frameLocator("#_cvv iframe").locator('input[placeholder="1234"]').waitFor();
    await input(opened, "_card_number").fill("");
    await fill(opened, VISA);
    await opened.getByRole("button", { name: "Pay now" }).click();
    await opened.getByRole("status").filter({ hasText: "SETTLEMENT_REQUESTED for 17" }).waitFor();
    // The shop gets its own fields and the token, nothing else.
    assert.deepEqual(Object.keys(forms[0]).sort(), ["card", "order"]);
    assert.match(forms[0].card, /^[0-9a-f]{24}$/);
    await opened.context().close();

    // Shops that take the button away submit by themselves, with a form that a library has wrapped.
    const own = await open(shop.origin, "/own");
    assert.equal(await own.locator("#_card_number").getAttribute("style"), null);
    await fill(own, VISA);
    await own.getByRole("button", { name: "Order" }).click();
    await own.getByRole("status").filter({ hasText: "SETTLEMENT_REQUESTED for 17" }).waitFor();
    assert.equal(forms.length, 2);
    await own.context().close();

    // What the shop stops is not sent, and while its server is at it nobody pays again.
    const checked = await open(shop.origin, "/checked");
    await fill(checked, VISA);
    const press = checked.getByRole("button", { name: "Pay now" });
    await press.click();
    assert.equal(await input(checked, "_cvv").inputValue(), VISA.cardCvc, "the card was sent all the same");
    await checked.evaluate(() => { window.agreed = true; });
    await press.click();
    await checked.getByRole("status").filter({ hasText: "SETTLEMENT_REQUESTED for 17" }).waitFor();
    assert.deepEqual(seen, [true, 0], "while the shop is at it the form does not say that a security code lacks");
    assert.equal(forms.length, 3);
    await checked.context().close();

    // Whoever says nothing of whose cards they are is told so.
    const bare = await open(shop.origin, "/bare");
    await alert(bare).filter({ hasText: /organisation/ }).waitFor();
    assert.match(await bare.evaluate(() => thrown), /organisation/);
    await bare.context().close();

    // A page of another origin gets no field.
    const foreign = await open(stranger.origin, "/");
    await alert(foreign).filter({ hasText: /./ }).waitFor();
    assert.equal(await foreign.frameLocator("#_card_number iframe").locator("input").count(), 0);
    await foreign.context().close();
  } finally {
    await vault.post(`/v1/organisation/${organisation_id}`, { keyless_capture_origins: null });
    shop.close();
    stranger.close();
  }
}
