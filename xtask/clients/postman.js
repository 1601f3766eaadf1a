// The collection that openapi-to-postmanv2 makes, run by newman: every request of it, with ids of objects that are there. Left out is what a
// PSP sends: it bears a signature that only the PSP can make.

const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const newman = require("newman");

const { PANVAULT_URL: url, PANVAULT_API_KEY: key, PANVAULT_ORGANISATION: organisation, PANVAULT_ACCOUNT: account } = process.env;

async function post(path, body) {
  const headers = { "X-APIKEY": key, "Content-Type": "application/json" };
  const response = await fetch(url + path, { method: "POST", headers, body: JSON.stringify(body) });
  const answer = await response.json();
  if (response.status !== 200) throw new Error(JSON.stringify(answer));
  return answer._id;
}

function requests(items) {
  return items.flatMap((item) => (item.item ? requests(item.item) : [item]));
}

async function main() {
  const card = () => post("/v1/card", { card_number: "4111111111111111", expiry_month: "12", expiry_year: "35", organisation });
  const kept = await card();
  const make = {
    card,
    organisation: () => post("/v1/organisation", { name: "Branch" }),
    account: () => post("/v1/account", { name: "Till", currency_code: "EUR" }),
    processor: () => post("/v1/processor", { name: "Dummy", configuration: { _type: "card_dummy" } }),
    apikey: () => post("/v1/apikey", { name: "till", roles: ["MerchantCashier"] }),
    customer: () => post("/v1/customer", { first_name: "Ann" }),
    checkout: () => post("/v1/checkout", { account, amount: 1099, return_url: "https://shop.example/thanks" }),
  };
  // Only what is settled can be refunded, and nothing else is to be settled.
  const settled = await post("/v1/transaction", { account, amount: 1_000_000, card: kept });
  execFileSync(process.env.PANVAULT_PROGRAM, ["settle", "--data", process.env.PANVAULT_DATA], { env: {} });
  const refund = await post(`/v1/transaction/${settled}/refund`, { amount: 1 });
  const transaction = await post("/v1/transaction", { account, amount: 1099, card: kept });
  // Nobody listens there, so what is to be told waits.
  const told = await post("/v1/transaction", { account, amount: 1099, card: kept, webhook_transaction_update: "http://127.0.0.1:9/hook" });
  const waiting = await fetch(`${url}/v1/webhook_delivery?transaction=${told}`, { headers: { "X-APIKEY": key } });
  const [delivery] = await waiting.json();
  const checkout = await post("/v1/checkout", { account, amount: 1099, return_url: "https://shop.example/thanks" });
  const trail = await fetch(`${url}/v1/audit?_limit=1`, { headers: { "X-APIKEY": key } });
  const [record] = await trail.json();
  // Those of the examples. That of a record begins like a card's, so it comes first.
  const ids = {
    "65f1c0de8a4b3c2d1e0f9a8b-1": record._id,
    "65f1c0d00b5e6f708192a3b4": organisation,
    "65f1c0d11c2d3e4f5a6b7c8d": account,
    "65f1c0de8a4b3c2d1e0f9a8b": kept,
    "65f1c0e92b3c4d5e6f708192": transaction,
    "65f1c0d23d4e5f60718293a4": await make.processor(),
    "65f1c0d34e5f60718293a4b5": await make.apikey(),
    "65f1c0d45f60718293a4b5c6": await make.customer(),
    "65f1c0ea3c4d5e6f70819213": refund,
    "65f1c0eb4d5e6f7081921324": delivery._id,
    "65f1c0ec5e6f708192132435": checkout,
  };
  let text = fs.readFileSync("made/collection.json", "utf8");
  for (const [example, id] of Object.entries(ids)) text = text.replaceAll(example, id);
  const collection = JSON.parse(text);
  const folders = collection.item.length;
  collection.item = collection.item.filter(({ name }) => name !== "notification");
  if (collection.item.length !== folders - 1) throw new Error("the folder of what a PSP sends is not there");
  const all = requests(collection.item);
  for (const { request } of all.filter(({ request }) => request.method === "DELETE")) {
    // What others need stays; on what is made here nothing hangs.
    const id = await make[request.url.path[1]]();
    request.url.variable.forEach((variable) => (variable.value = id));
  }
  for (const { request } of all.filter(({ request }) => /^(capture|void|void_authorization)$/.test(request.url.path[3]))) {
    // Each of what was reserved, of which one thing can be done once.
    const id = await post("/v1/transaction", { account, amount: 1099, card: kept, capture_now: false });
    request.url.variable.forEach((variable) => (variable.value = id));
  }
  for (const { request } of all.filter(({ request }) => request.url.path[3] === "refund")) {
    request.url.variable.forEach((variable) => (variable.value = settled));
  }
  const destroys = all.filter(({ request }) => request.url.path[4] === "destroy");
  if (destroys.length !== 1) throw new Error("what destroys keys is not there");
  for (const { request } of destroys) {
    const id = await make.organisation();
    request.url.variable.forEach((variable) => (variable.value = id));
    request.body.raw = request.body.raw.replace(organisation, id);
  }
  const exec = 'pm.test("succeeds", () => pm.expect(pm.response.code).to.be.oneOf([200, 204]));';
  collection.event = [{ listen: "test", script: { type: "text/javascript", exec } }];
  const envVar = [
    { key: "baseUrl", value: url },
    { key: "apiKey", value: key },
  ];
  newman.run({ collection, envVar, reporters: "cli", color: "off" }, (error, summary) => {
    const sent = summary?.run.stats.requests.total;
    const failed = summary?.run.failures.length;
    if (error || failed !== 0 || sent !== all.length || sent < 10) {
      console.error(error ?? `${failed} failures in ${sent} of ${all.length} requests`);
      process.exitCode = 1;
    }
  });
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
