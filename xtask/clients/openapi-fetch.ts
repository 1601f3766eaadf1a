// The steps of the page about tokenization with the types that openapi-typescript makes, through openapi-fetch.

import createClient from "openapi-fetch";

import type { components, paths } from "./made/schema";
import { account, apiKey, holds, organisation, run, url } from "./stand";

const api = createClient<paths>({ baseUrl: url, headers: { "X-APIKEY": apiKey } });

async function pay(card: string, amount: number): Promise<components["schemas"]["Transaction"]> {
  const { data, error } = await api.POST("/v1/transaction", { body: { account, amount, card } });
  holds(`paid: ${JSON.stringify(error)}`, data);
  return data;
}

run(async () => {
  const created = await api.POST("/v1/card", {
    body: { card_number: "4111111111111111", cvv: "111", expiry_month: "12", expiry_year: "35", organisation },
  });
  holds("the card is created", created.data && "cvv_present" in created.data && created.data.cvv_present);
  const card = created.data;

  const first = await pay(card._id, 1099);
  holds("the CVV went along", first.cvv_present && first.cvv_result === "1");
  const second = await pay(card._id, 2500);
  holds("and is gone", !second.cvv_present);

  const updated = await api.POST("/v1/card/{id}", {
    params: { path: { id: card._id } },
    body: { cvv: "222", organisation },
  });
  holds("the token is the same", updated.data?._id === card._id);
  const third = await pay(card._id, 4200);
  holds("the new CVV went along", third.cvv_present && third.cvv_result === "2");

  const declined = await api.POST("/v1/transaction", { body: { account, amount: 1121, card: card._id } });
  holds("it is declined", declined.response.status === 403 && declined.error?.code === 121);
  holds("and says what became of it", declined.error.details && "status" in declined.error.details);

  const listed = await api.GET("/v1/transaction", {
    params: { query: { card: [card._id], status: ["DECLINED", "SETTLEMENT_REQUESTED"] } },
  });
  holds("all four are listed", listed.data?.length === 4);
}, "openapi-typescript");
