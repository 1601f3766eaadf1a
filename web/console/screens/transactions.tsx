// Transactions and refunds: the lists, and one of each with what may be done with it.
import { useState } from "preact/hooks";
import type { Row } from "../api";
import { money, words } from "../format";
import { Amount, Badge, Facts, Fault, Heading, Id, Link, Pairs, Panel, Time } from "../parts/bits";
import { Detail } from "../parts/detail";
import type { Field } from "../parts/fields";
import { FormDialog } from "../parts/form";
import { List } from "../parts/list";
import { href } from "../route";
import { useLoad, useSession } from "../session";
import { REFUNDS, TRANSACTIONS } from "../tables/payments";

export function TransactionsScreen() {
  return <><Heading title="Transactions" /><List of={TRANSACTIONS} /></>;
}

export function RefundsScreen() {
  return <><Heading title="Refunds" /><List of={REFUNDS} /></>;
}

export function TransactionScreen({ id }: { id: string }) {
  const path = `/v1/transaction/${encodeURIComponent(id)}`;
  return (
    <Detail one="transaction" many="Transactions" path={path} back={href(["transactions"])}>
      {(transaction, reload) => <Transaction transaction={transaction} path={path} reload={reload} />}
    </Detail>
  );
}

interface Act {
  readonly operation: string;
  /** What is behind the id in the path. */
  readonly path: string;
  readonly title: string;
  readonly statuses: readonly string[];
  readonly about: string;
  readonly fields: readonly Field[];
  readonly danger?: boolean;
  /** The most that it can be done with. */
  most?(transaction: Row): number;
}

const number = (value: unknown) => (typeof value === "number" ? value : 0);

const ACTS: readonly Act[] = [
  {
    operation: "transaction_capture", path: "capture", title: "Capture", statuses: ["AUTHORIZED"],
    about: "What is not captured is released. There is no second capture.",
    fields: [{ name: "amount", label: "Amount", kind: "amount", required: true }],
    most: (transaction) => number(transaction.amount),
  },
  { operation: "transaction_void", path: "void", title: "Void", statuses: ["AUTHORIZED"], about: "The reservation is released, and cannot be captured any more.", fields: [], danger: true },
  { operation: "transaction_void_capture", path: "void_capture", title: "Void the capture", statuses: ["SETTLEMENT_REQUESTED"], about: "The whole capture is taken back before it is settled.", fields: [], danger: true },
  {
    operation: "refund_create", path: "refund", title: "Refund", statuses: ["SETTLEMENT_PARTIAL", "SETTLEMENT_COMPLETED"],
    about: "A refund cannot be taken back.", danger: true,
    fields: [
      { name: "amount", label: "Amount", kind: "amount", required: true },
      { name: "reason", label: "Reason" },
      { name: "merchant_reference", label: "Reference" },
    ],
    most: (transaction) => number(transaction.captured_amount) - number(transaction.refunded_amount),
  },
];

function Transaction({ transaction, path, reload }: { transaction: Row; path: string; reload(): void }) {
  const { may, notify } = useSession();
  const [doing, setDoing] = useState<Act>();
  const [version, setVersion] = useState(0);
  const currency = String(transaction.currency_code);
  const possible = ACTS.filter((act) => may(act.operation) && act.statuses.includes(String(transaction.status)) && (act.most?.(transaction) ?? 1) > 0);
  const changed = () => {
    setVersion(version + 1);
    reload();
  };
  return (
    <>
      <Heading title={<><span class="number">{money(transaction.amount, currency)}</span> <Badge state={transaction.status} /></>} about={<Id id={transaction._id} what="transaction id" />}>
        {possible.map((act) => <button key={act.path} type="button" class={act.danger ? "danger" : "main"} onClick={() => setDoing(act)}>{act.title}</button>)}
      </Heading>
      <div class="columns">
        <Panel title="Payment">
          <Facts of={[
            ["Card", <Link to="card" id={transaction.card} />],
            ["Brand", transaction.payment_product_type as string],
            ["Account", <Link to="account" id={transaction.account} named />],
            ["Customer", transaction.customer ? <Link to="customer" id={transaction.customer} /> : undefined],
            ["Captured", transaction.captured_amount === undefined ? undefined : <Amount of={transaction.captured_amount} currency={currency} />],
            ["Refunded", transaction.refunded_amount ? <Amount of={transaction.refunded_amount} currency={currency} /> : undefined],
            ["Reference", transaction.merchant_reference as string],
            ["Descriptor", transaction.dynamic_descriptor as string],
            ["Given", transaction.shopper_interaction ? words(transaction.shopper_interaction) : undefined],
            ["Series", transaction.recurring_type ? words(transaction.recurring_type) : undefined],
            ["Instalments", transaction.installments as number],
            ["Shopper's address", transaction.customer_ip as string],
            ["Shopper's browser", transaction.user_agent as string],
            ["Shipping", transaction.shipping_information ? <Pairs of={transaction.shipping_information} /> : undefined],
            ["Details", Object.keys((transaction.details ?? {}) as Row).length > 0 ? <Pairs of={transaction.details} /> : undefined],
          ]} />
        </Panel>
        <Panel title="Processor">
          <Facts of={[
            ["Processor", String(transaction.processor)],
            ["Why", transaction.status_reason as string],
            ["Reason code", transaction.reason_code ? <code>{String(transaction.reason_code)}</code> : undefined],
            ["Authorisation", transaction.authorization_code ? <code>{String(transaction.authorization_code)}</code> : undefined],
            ["Its reference", transaction.processor_reference ? <code>{String(transaction.processor_reference)}</code> : undefined],
            ["Network's reference", transaction.network_transaction_id ? <code>{String(transaction.network_transaction_id)}</code> : undefined],
            ["CVV", transaction.cvv_present ? `Sent: ${CVV_RESULTS[String(transaction.cvv_result)] ?? "no answer"}` : "Not sent"],
            ["3-D Secure", transaction.threed_authentication ? <Pairs of={transaction.threed_authentication} /> : undefined],
            ["Created", <Time at={transaction.created_at} />],
            ["Last step", <Time at={transaction.last_status_update} />],
          ]} />
        </Panel>
      </div>
      {may("transaction_history") && <Panel title="History"><History path={path} version={version} /></Panel>}
      {may("refund_list") && <Panel title="Refunds"><List of={REFUNDS} given={{ transaction: String(transaction._id) }} rows={10} within version={version} /></Panel>}
      {doing && (
        <FormDialog
          title={doing.title} path={`${path}/${doing.path}`} verb={doing.title} danger={doing.danger ?? false} currency={currency}
          fields={doing.fields.map((field) => (field.kind === "amount" ? { ...field, hint: `At most ${money(doing.most?.(transaction), currency)}` } : field))}
          first={doing.most ? { amount: doing.most(transaction) } : undefined}
          close={() => setDoing(undefined)}
          done={() => {
            setDoing(undefined);
            notify(`${doing.title}: done`);
            changed();
          }}
          failed={changed}
        >
          <p>{doing.about}</p>
        </FormDialog>
      )}
    </>
  );
}

const CVV_RESULTS: Readonly<Record<string, string>> = { 0: "no answer", 1: "matches", 2: "does not match", 3: "not checked" };

/** What became of it, step by step, the newest first. */
function History({ path, version }: { path: string; version: number }) {
  const { api } = useSession();
  const { value, failure, reload } = useLoad((signal) => api.read<Row[]>(`${path}/history`, signal), [path, version]);
  return (
    <>
      <Fault failure={failure} retry={reload} />
      <ol class="timeline">
        {value?.map((step) => (
          <li key={String(step._id)}>
            <Time at={step.created_at} /> <Badge state={step.status} />
            <span class="muted"> {String(step.processor)}{step.cvv_present ? ", with CVV" : ""}{step.reason_code ? `, reason ${String(step.reason_code)}` : ""}</span>
            {step.status_reason ? <p>{String(step.status_reason)}</p> : null}
          </li>
        ))}
      </ol>
    </>
  );
}

export function RefundScreen({ id }: { id: string }) {
  return (
    <Detail one="refund" many="Refunds" path={`/v1/refund/${encodeURIComponent(id)}`} back={href(["refunds"])}>
      {(refund) => (
        <>
          <Heading title={<><span class="number">{money(refund.amount, refund.currency_code)}</span> <Badge state={refund.status} /></>} about={<Id id={refund._id} what="refund id" />} />
          <Panel title="Refund">
            <Facts of={[
              ["Transaction", <Link to="transaction" id={refund.transaction} />],
              ["Account", <Link to="account" id={refund.account} named />],
              ["Reason", refund.reason as string],
              ["Reference", refund.merchant_reference as string],
              ["Why", refund.status_reason as string],
              ["Reason code", refund.reason_code ? <code>{String(refund.reason_code)}</code> : undefined],
              ["Processor's reference", refund.processor_reference ? <code>{String(refund.processor_reference)}</code> : undefined],
              ["Created", <Time at={refund.created_at} />],
              ["Last step", <Time at={refund.last_status_update} />],
            ]} />
          </Panel>
        </>
      )}
    </Detail>
  );
}
