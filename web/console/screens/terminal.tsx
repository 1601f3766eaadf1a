// A cashier types a card, and sells.
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { Failure, idempotencyKey, type Row } from "../api";
import { minor, money } from "../format";
import { Badge, Empty, Facts, Fault, Heading, Link, Panel } from "../parts/bits";
import type { Field } from "../parts/fields";
import { Choice, Input, nameOf, useOffered } from "../parts/form";
import { failed, HostedFields, type Fields } from "../parts/hosted";
import { asFailure, useSession } from "../session";

/** Codes that say nothing of an outcome: the same request may be sent again, and is done once. */
const UNSURE_CODES = [0, 100, 142, 144];

const REFERENCE: Field = { name: "merchant_reference", label: "Reference", hint: "Yours, such as the number of the order." };
const GIVEN: Field = { name: "shopper_interaction", label: "Given", kind: "choice", options: ["MOTO", "POS", "ECOMMERCE"], texts: { MOTO: "By telephone or post", POS: "At the counter", ECOMMERCE: "In a shop on the web" }, required: true };
const RESERVE: Field = { name: "reserve", label: "Reserve only, and capture later", kind: "check" };
const NAMES = ["cardNumber", "cardExpiry", "cardCvc"] as const;

interface Attempt {
  readonly body: Row;
  readonly key: string;
}

interface Sold {
  readonly row: Row;
  readonly failure?: Failure;
}

export function Terminal() {
  const { rows, ready } = useOffered("account");
  const [sale, setSale] = useState(0);
  const accounts = rows.filter((account) => account.disabled !== true);
  return (
    <>
      <Heading title="Terminal" about="The card goes from these fields to the vault; this page never has a digit of it." />
      {ready && accounts.length === 0 && <Empty title="There is no account to sell by"><p>Make a processor and an account in Set-up first.</p></Empty>}
      {accounts.length > 0 && <Sale key={sale} accounts={accounts} again={() => setSale(sale + 1)} />}
    </>
  );
}

function Sale({ accounts, again }: { accounts: readonly Row[]; again(): void }) {
  const { api } = useSession();
  const [account, setAccount] = useState(() => String(accounts[0]?._id));
  const [amount, setAmount] = useState("");
  const [reference, setReference] = useState("");
  const [given, setGiven] = useState("MOTO");
  const [reserve, setReserve] = useState("false");
  const [wrong, setWrong] = useState<string>();
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure>();
  const [attempt, setAttempt] = useState<Attempt>();
  const [sold, setSold] = useState<Sold>();
  const fields = useRef<Fields>(undefined);
  const id = useId();
  const chosen = accounts.find((each) => each._id === account);
  const currency = String(chosen?.currency_code ?? "");
  const amountField: Field = { name: "amount", label: `Amount in ${currency}`, kind: "amount", required: true };

  async function send(next: Attempt): Promise<void> {
    try {
      setSold({ row: await api.post("/v1/transaction", next.body, next.key) });
    } catch (error) {
      const told = asFailure(error);
      if (UNSURE_CODES.includes(told.code)) {
        setAttempt(next);
        return setFailure(told);
      }
      setAttempt(undefined);
      // What was stored has an id, whatever became of it.
      if (typeof told.details._id === "string") setSold({ row: { ...told.details, amount: next.body.amount, currency_code: currency, card: next.body.card }, failure: told });
      else setFailure(told);
    }
  }

  async function sell(): Promise<void> {
    if (busy || sold) return;
    const value = minor(amount, currency);
    setWrong(value === undefined ? "must be an amount such as 12.50" : undefined);
    if (value === undefined || !fields.current) return;
    setBusy(true);
    setFailure(undefined);
    try {
      if (attempt) await send(attempt);
      else {
        const { token } = await fields.current.tokenize({ organisation: String(chosen?.organisation) });
        await send({
          key: idempotencyKey(),
          body: { account, amount: value, card: token, capture_now: reserve !== "true", shopper_interaction: given, ...(reference.trim() ? { merchant_reference: reference.trim() } : {}) },
        });
      }
    } catch (error) {
      setFailure(failed(error));
    }
    setBusy(false);
  }

  if (sold) return <Receipt sold={sold} again={again} />;
  return (
    <form class="terminal" noValidate onSubmit={(event) => { event.preventDefault(); void sell(); }}>
      <Panel title="Sale">
        <div class="field"><label for={id}>Account</label><Choice common={{ id, disabled: attempt !== undefined }} options={accounts.map((each) => [String(each._id), nameOf(each)])} value={account} required change={setAccount} /></div>
        <Input field={amountField} value={amount} isNew fault={wrong} change={setAmount} />
        <Input field={REFERENCE} value={reference} isNew fault={failure?.field("merchant_reference")} change={setReference} />
        <Input field={GIVEN} value={given} isNew fault={undefined} change={setGiven} />
        <Input field={RESERVE} value={reserve} isNew fault={undefined} change={setReserve} />
      </Panel>
      <Panel title="Card">
        <HostedFields names={NAMES} made={(made) => (fields.current = made)} submit={() => void sell()} />
        <Fault failure={failure} />
        {attempt && <p>The outcome is not known here. Asking again sends the same request, which is never paid twice.</p>}
        <button class="main wide" disabled={busy}>{busy ? "Wait…" : attempt ? "Ask again" : `Sell ${minor(amount, currency) === undefined ? "" : money(minor(amount, currency), currency)}`}</button>
      </Panel>
    </form>
  );
}

function Receipt({ sold: { row, failure }, again }: { sold: Sold; again(): void }) {
  const next = useRef<HTMLButtonElement>(null);
  useEffect(() => next.current?.focus(), []);
  return (
    <Panel title={failure ? "Not sold" : row.status === "AUTHORIZED" ? "Reserved" : "Sold"}>
      <p class="outcome" role="status"><span class="number">{money(row.amount, row.currency_code)}</span> <Badge state={row.status} /></p>
      <Fault failure={failure && new Failure(failure.message, failure.status, failure.code, {}, failure.requestId)} />
      <Facts of={[
        ["Transaction", <Link to="transaction" id={row._id} />],
        ["Card", <Link to="card" id={row.card} />],
        ["Why", row.status_reason as string],
        ["Reason code", row.reason_code as string],
        ["Authorisation", row.authorization_code as string],
      ]} />
      <button ref={next} type="button" class="main" onClick={again}>Next sale</button>
    </Panel>
  );
}
