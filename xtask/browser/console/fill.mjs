// Cards and transactions in numbers, for what is measured: a vault under `panvault dev` limits nobody.

const AT_ONCE = 16;
const NUMBERS = ["4111111111111111", "5555555555554444", "378282246310005", "6011111111111117"];

export async function fill({ url, apiKey, account, cards, transactions }) {
  const post = async (path, body) => {
    const headers = { "X-APIKEY": apiKey, "Content-Type": "application/json" };
    const answer = await fetch(`${url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    const told = await answer.json();
    // An amount may be one that the dummy declines: that too is a transaction.
    if (!answer.ok && !told.details?._id) throw new Error(`${path} was answered ${answer.status}: ${JSON.stringify(told)}`);
    return told;
  };
  let made = 0;
  const one = async () => {
    while (made < cards) {
      const at = (made += 1);
      const { _id } = await post("/v1/card", { card_number: NUMBERS[at % NUMBERS.length], expiry_month: "12", expiry_year: "35" });
      if (at <= transactions) await post("/v1/transaction", { account, card: _id, amount: 1000 + (at % 9000), capture_now: at % 2 === 0, merchant_reference: `order-${at}` });
      if (at % 10_000 === 0) console.log(`console: ${at} cards`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}
