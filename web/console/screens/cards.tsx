// Cards: the list, and one of them.
import { useState } from "preact/hooks";
import type { Row } from "../api";
import { Facts, Heading, Id, Link, Pairs, Panel, place, Time } from "../parts/bits";
import { Detail } from "../parts/detail";
import { Confirm } from "../parts/dialog";
import type { Field } from "../parts/fields";
import { FormDialog } from "../parts/form";
import { CvvForm, NewCard } from "../parts/hosted";
import { List } from "../parts/list";
import { go, href } from "../route";
import { useSession } from "../session";
import { CARDS, CvvState, TRANSACTIONS } from "../tables/payments";

const CHANGE: readonly Field[] = [
  { name: "expiry_month", label: "Expiry month" },
  { name: "expiry_year", label: "Expiry year" },
  { name: "metadata", label: "Metadata", kind: "pairs", hint: "One pair a line: name = value. Replaces all pairs." },
];

/** Rows of the lists in a card's page. */
const WITHIN_ROWS = 10;

export function CardsScreen() {
  const { may } = useSession();
  const [adding, setAdding] = useState(false);
  return (
    <>
      <Heading title="Cards">{may("card_create") && <button type="button" class="main" onClick={() => setAdding(true)}>Add a card</button>}</Heading>
      <List of={CARDS} />
      {adding && <NewCard close={() => setAdding(false)} done={(id) => go(place("card", id))} />}
    </>
  );
}

export function CardScreen({ id }: { id: string }) {
  const path = `/v1/card/${encodeURIComponent(id)}`;
  return <Detail one="card" many="Cards" path={path} back={href(["cards"])}>{(card, reload) => <Card card={card} path={path} reload={reload} />}</Detail>;
}

function Card({ card, path, reload }: { card: Row; path: string; reload(): void }) {
  const { api, may, notify } = useSession();
  const [doing, setDoing] = useState<"change" | "cvv" | "end" | "delete">();
  const close = () => setDoing(undefined);
  const done = (text: string) => () => {
    close();
    notify(text);
    reload();
  };
  const isToken = card.kind === "network_token";
  return (
    <>
      <Heading title={<><code>{String(card.masked_card_number)}</code> {String(card.brand ?? "")}</>} about={<Id id={card._id} what="card id" />}>
        {may("card_update") && !isToken && <button type="button" onClick={() => setDoing("cvv")}>Put a CVV back</button>}
        {may("card_update") && card.cvv_present === true && <button type="button" onClick={() => setDoing("end")}>End the CVV</button>}
        {may("card_update") && <button type="button" onClick={() => setDoing("change")}>Change</button>}
        {may("card_delete") && <button type="button" class="danger" onClick={() => setDoing("delete")}>Delete</button>}
      </Heading>
      <div class="columns">
        <Panel title="Card">
          <Facts of={[
            ["Expires", `${String(card.expiry_month)}/${String(card.expiry_year)}`],
            ["Kind", isToken ? "Network token" : undefined],
            ["CVV", <CvvState of={card} />],
            ["Organisation", <Link to="organisation" id={card.organisation} named />],
            ["Metadata", card.metadata ? <Pairs of={card.metadata} /> : undefined],
            ["Created", <Time at={card.created_at} />],
            ["Changed", <Time at={card.updated_at} />],
          ]} />
        </Panel>
        <Panel title="Issuer">
          <Facts of={[
            ["Name", String(card.issuer_name ?? "Not known")],
            ["Country", String(card.issuer_country ?? "Not known")],
            ["Currency", String(card.currency ?? "Not known")],
            ["Type", String(card.type ?? "Not known")],
            ["Variant", String(card.variant ?? "Not known")],
            ["First digits", card.bin ? <code>{String(card.bin)}</code> : undefined],
          ]} />
        </Panel>
      </div>
      {may("transaction_list") && <Panel title="Transactions"><List of={TRANSACTIONS} given={{ card: String(card._id) }} rows={WITHIN_ROWS} within /></Panel>}
      <Panel title="The same card">
        <p class="muted">Tokens with the fingerprint <code>{String(card.fingerprint)}</code>, this one among them.</p>
        <List of={CARDS} given={{ fingerprint: String(card.fingerprint) }} rows={WITHIN_ROWS} within />
      </Panel>
      {doing === "change" && <FormDialog title="Change the card" fields={CHANGE} row={card} path={path} verb="Save" close={close} done={done("The card was changed")} />}
      {doing === "cvv" && <CvvForm card={String(card._id)} brand={String(card.brand ?? "")} close={close} done={done("The CVV is held")} />}
      {doing === "end" && <FormDialog title="End the CVV" fields={[]} row={card} also={{ cvv: null }} path={path} verb="End it" danger close={close} done={done("The CVV is gone")}><p>Later transactions go out without a CVV until one is put back.</p></FormDialog>}
      {doing === "delete" && (
        <Confirm title="Delete this card?" verb="Delete for good" close={close} act={async () => {
          await api.remove(path);
          notify("The card was deleted");
          go(href(["cards"]));
        }}>
          <p>The sealed number and the CVV of <code>{String(card.masked_card_number)}</code> are destroyed. Nobody can pay with this token any more. Its transactions stay.</p>
        </Confirm>
      )}
    </>
  );
}
