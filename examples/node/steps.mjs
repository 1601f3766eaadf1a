// A card's life with Panvault, and the check of a webhook. Node 18 or later, nothing else.

import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';

const { PANVAULT, KEY, ORGANISATION, ACCOUNT } = process.env;

/** The status and the JSON that came. What creates or acts bears a key, so that it may be sent again and is done once. */
async function call(method, path, body) {
  const headers = { 'X-APIKEY': KEY, 'Content-Type': 'application/json' };
  if (method === 'POST') headers['Idempotency-Key'] = randomUUID();
  const signal = AbortSignal.timeout(40_000);
  const answer = await fetch(PANVAULT + path, { method, headers, signal, body: body && JSON.stringify(body) });
  return { status: answer.status, answer: await answer.json() };
}

/** The same, of what has to succeed. */
async function done(method, path, body) {
  const { status, answer } = await call(method, path, body);
  if (status !== 200) {
    const details = JSON.stringify(answer.details ?? {});
    throw new Error(`${method} ${path}: ${status}, code ${answer.code}: ${answer.message} ${details}`);
  }
  return answer;
}

const pay = (card, amount, more = {}) => ({ account: ACCOUNT, card, amount, ...more });

/** Reads until the status is reached. A shop waits for a webhook instead. */
async function when(path, status) {
  for (let turn = 0; turn < 150; turn += 1) {
    const found = await done('GET', path);
    if (found.status === status) return found;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`${path} is still not ${status}`);
}

/** Standard Webhooks: one of the signatures is that of id, time and body, and the time is no more than 5 minutes off. */
function isGenuine(secret, headers, body, now) {
  const sentAt = Number(headers['webhook-timestamp']);
  if (!(Math.abs(now - sentAt) <= 300)) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  const expected = Buffer.from(`v1,${createHmac('sha256', key).update(signed).digest('base64')}`);
  return headers['webhook-signature'].split(' ').map((one) => Buffer.from(one))
    .some((one) => one.length === expected.length && timingSafeEqual(one, expected));
}

// Step 1 and 2: post the card once, keep its token.
const number = { card_number: '4111111111111111', cvv: '111', expiry_month: '12', expiry_year: '35' };
const card = await done('POST', '/v1/card', { ...number, organisation: ORGANISATION });
const token = card._id;
console.log(`card: ${card.brand} ${card.masked_card_number}, CVV held: ${card.cvv_present}`);

// Step 3: pay with the token. The CVV goes along once.
let paid = await done('POST', '/v1/transaction', pay(token, 1000));
console.log(`paid: ${paid.status}, with CVV: ${paid.cvv_present}`);
paid = await done('POST', '/v1/transaction', pay(token, 1000));
console.log(`paid again: ${paid.status}, with CVV: ${paid.cvv_present}`);

// Reusing the id: put a CVV back.
const updated = await done('POST', `/v1/card/${token}`, { cvv: '111', organisation: ORGANISATION });
console.log(`CVV put back, the same token: ${updated._id === token && updated.cvv_present}`);
paid = await done('POST', '/v1/transaction', pay(token, 1000));
console.log(`paid once more: ${paid.status}, with CVV: ${paid.cvv_present}`);

// What goes wrong has a code, and a transaction that was made all the same is in its details.
const declined = (await call('POST', '/v1/transaction', pay(token, 1121))).answer;
console.log(`declined: code ${declined.code}, ${declined.details.status}`);
const wrong = { ...number, card_number: '4111111111111112', organisation: ORGANISATION };
console.log(`refused before anything was sent: code ${(await call('POST', '/v1/card', wrong)).answer.code}`);

// Reserve, capture a part, and give back a part of that once it is settled.
let reserved = await done('POST', '/v1/transaction', pay(token, 1000, { capture_now: false }));
let path = `/v1/transaction/${reserved._id}`;
console.log(`reserved: ${reserved.status}`);
const captured = await done('POST', `${path}/capture`, { amount: 600 });
console.log(`captured: ${captured.captured_amount} of ${captured.amount}`);
console.log(`settled: ${(await when(path, 'SETTLEMENT_COMPLETED')).status}`);
let refund = await done('POST', `${path}/refund`, { amount: 250 });
console.log(`refund of ${refund.amount}: ${refund.status}`);
refund = await when(`/v1/refund/${refund._id}`, 'PROCESSED');
console.log(`refund of ${refund.amount}: ${refund.status}`);

// Which way money is given back is chosen by the status.
reserved = await done('POST', '/v1/transaction', pay(token, 500, { capture_now: false }));
const ways = { AUTHORIZED: 'void', SETTLEMENT_REQUESTED: 'void_capture', SETTLEMENT_COMPLETED: 'refund' };
path = `/v1/transaction/${reserved._id}`;
const way = ways[(await done('GET', path)).status];
console.log(`given back by ${way}: ${(await done('POST', `${path}/${way}`)).status}`);

// What a receiver does with each webhook, before it reads the body.
const { WEBHOOK_ID, WEBHOOK_TIMESTAMP, WEBHOOK_SIGNATURE, WEBHOOK_SECRET, WEBHOOK_BODY } = process.env;
const received = {
  'webhook-id': WEBHOOK_ID, 'webhook-timestamp': WEBHOOK_TIMESTAMP, 'webhook-signature': WEBHOOK_SIGNATURE,
};
for (const [words, body] of [['webhook', WEBHOOK_BODY], ['webhook with another body', `${WEBHOOK_BODY} `]]) {
  const genuine = isGenuine(WEBHOOK_SECRET, received, body, Date.now() / 1000);
  console.log(`${words}: ${genuine ? 'genuine' : 'not genuine'}`);
}
