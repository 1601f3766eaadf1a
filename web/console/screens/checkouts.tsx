// Checkouts: what shoppers were asked to pay on a page of the vault, and taking one back.
import { useState } from "preact/hooks";
import type { Row } from "../api";
import { words } from "../format";
import { Badge, Clock, Copy, Facts, Heading, Id, Link, Panel, Time } from "../parts/bits";
import { Detail } from "../parts/detail";
import { Confirm } from "../parts/dialog";
import { List } from "../parts/list";
import { href } from "../route";
import { useSession } from "../session";
import { CheckoutAmount, CHECKOUTS, TRANSACTIONS } from "../tables/payments";

export function CheckoutsScreen() {
  return <><Heading title="Checkouts" about="What shoppers were asked to pay on a page of the vault. They are kept for 30 days after their time." /><List of={CHECKOUTS} /></>;
}

export function CheckoutScreen({ id }: { id: string }) {
  const path = `/v1/checkout/${encodeURIComponent(id)}`;
  return (
    <Detail one="checkout" many="Checkouts" path={path} back={href(["checkouts"])}>
      {(checkout, reload) => <Checkout checkout={checkout} path={path} reload={reload} />}
    </Detail>
  );
}

const DOES: Readonly<Record<string, string>> = { pay: "Pays", tokenise: "Stores the card", verify: "Verifies the card" };

function Checkout({ checkout, path, reload }: { checkout: Row; path: string; reload(): void }) {
  const { api, may, notify } = useSession();
  const [asking, setAsking] = useState(false);
  const isOpen = checkout.status === "open";
  const back = async () => {
    await api.remove(path);
    setAsking(false);
    notify("The checkout is taken back");
    reload();
  };
  return (
    <>
      <Heading title={<><CheckoutAmount of={checkout} /> <Badge state={checkout.status} /></>} about={<Id id={checkout._id} what="checkout id" />}>
        {isOpen && may("checkout_delete") && <button type="button" class="danger" onClick={() => setAsking(true)}>Take back</button>}
      </Heading>
      <Panel title="Checkout">
        <Facts of={[
          ["Does", DOES[String(checkout.does)] ?? words(checkout.does)],
          ["Captured at once", checkout.capture_now ? "Yes" : "No: the amount is reserved"],
          ["Attempts", `${String(checkout.attempts)}, ${String(checkout.attempts_left)} left`],
          ["Transaction", checkout.transaction ? <Link to="transaction" id={checkout.transaction} /> : undefined],
          ["Card", checkout.card ? <Link to="card" id={checkout.card} /> : undefined],
          ["Account", <Link to="account" id={checkout.account} named />],
          ["Customer", checkout.customer ? <Link to="customer" id={checkout.customer} /> : undefined],
          ["Reference", checkout.merchant_reference as string],
          ["Descriptor", checkout.dynamic_descriptor as string],
          // Whoever has it may pay, and no more; once it has ended it is of no use.
          ["Page", isOpen ? <><span class="url">{String(checkout.url)}</span> <Copy text={String(checkout.url)} what="page's address" /></> : undefined],
          ["Back to", <span class="url">{String(checkout.return_url)}</span>],
          ["Tells", checkout.webhook_transaction_update ? <span class="url">{String(checkout.webhook_transaction_update)}</span> : undefined],
          ["Language", checkout.locale as string],
          ["Time left", isOpen ? <Clock until={String(checkout.expires_at)} over="over" /> : undefined],
          ["Until", <Time at={checkout.expires_at} />],
          ["Created", <Time at={checkout.created_at} />],
          ["Changed", <Time at={checkout.updated_at} />],
        ]} />
      </Panel>
      {may("transaction_list") && checkout.transaction !== undefined && <Panel title="Last transaction"><List of={TRANSACTIONS} given={{ _id: String(checkout.transaction) }} rows={1} within /></Panel>}
      {asking && (
        <Confirm title="Take this checkout back?" verb="Take back for good" act={back} close={() => setAsking(false)}>
          <p>Nobody pays at it any more, and a card that waits at it is deleted.</p>
        </Confirm>
      )}
    </>
  );
}
