// The steps of the page about tokenization with the client that @hey-api/openapi-ts makes.

import { client } from "./made/hey-api/client.gen";
import { createCard, createTransaction, getTransaction, listTransactions, updateCard } from "./made/hey-api/sdk.gen";
import type { Transaction } from "./made/hey-api/types.gen";
import { account, apiKey, holds, organisation, run, url } from "./stand";

client.setConfig({ baseUrl: url, auth: apiKey });

async function pay(card: string, amount: number): Promise<Transaction> {
  const { data, error } = await createTransaction({ body: { account, amount, card, merchant_reference: "order-1001" } });
  holds(`paid: ${JSON.stringify(error)}`, data);
  return data;
}

run(async () => {
  const created = await createCard({
    body: { card_number: "4111111111111111", cvv: "111", expiry_month: "12", expiry_year: "35", organisation },
  });
  holds("the card is created", created.data && "cvv_present" in created.data);
  const card = created.data;
  holds("its facts are read", card.cvv_present && card.brand === "Visa" && card.type === "credit" && card.currency === "EUR");

  const first = await pay(card._id, 1099);
  holds("the CVV went along", first.cvv_present && first.cvv_result === "1" && first.status === "SETTLEMENT_REQUESTED");
  const second = await pay(card._id, 2500);
  holds("and is gone", !second.cvv_present && second.payment_product_type === "Visa");

  const updated = await updateCard({ path: { id: card._id }, body: { cvv: "222", organisation } });
  holds("the CVV is back on the same token", updated.data?._id === card._id && "cvv_present" in updated.data && updated.data.cvv_present);
  const third = await pay(card._id, 4200);
  holds("the new CVV went along", third.cvv_present && third.cvv_result === "2");

  const declined = await createTransaction({ body: { account, amount: 1121, card: card._id } });
  holds("it is declined", declined.error?.code === 121 && declined.error.details && "status" in declined.error.details);
  holds("and says what became of it", declined.error.details.status === "DECLINED");

  const read = await getTransaction({ path: { id: first._id } });
  holds("it is read", read.data?.status === first.status);
  const listed = await listTransactions({ query: { card: [card._id], status: ["DECLINED", "SETTLEMENT_REQUESTED"], _limit: 10 } });
  holds("all four are listed", listed.data?.length === 4);

  const wrong = await createCard({
    body: { card_number: "4111111111111112", expiry_month: "12", expiry_year: "35", organisation },
  });
  holds("what is wrong is named", wrong.error?.code === 107 && wrong.error.details && "body.card_number" in wrong.error.details);
}, "@hey-api/openapi-ts");
