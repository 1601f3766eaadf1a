// Who did what: the audit trail, as it comes.
import { useState } from "preact/hooks";
import type { Row } from "../api";
import { count, words } from "../format";
import { Badge, Heading, Link, Time } from "../parts/bits";
import { List, type Collection } from "../parts/list";
import { useLoad, useNamed, useSession } from "../session";

const ACTIONS = ["access_refuse", "apikey_use", "audit_checkpoint", "audit_read", "audit_retire", "audit_verify", "bins_load", "card_create", "card_cvv_sweep", "card_delete", "card_list", "card_read", "card_refresh", "card_reseal", "card_update", "ceremony_hold", "checkout_create", "checkout_end", "checkout_sweep", "customer_create", "customer_delete", "customer_list", "customer_read", "customer_reseal", "customer_update", "document_create", "document_delete", "document_retag", "document_update", "header_change", "idempotency_sweep", "key_activate", "key_destroy", "key_make", "key_rewrap", "node_renew", "node_start", "node_stop", "notification_contradict", "refund_create", "refund_fail", "refund_list", "refund_read", "refund_settle", "row_retag", "share_give", "signin_refuse", "slot_add", "slot_remove", "trail_checkpoint", "transaction_capture", "transaction_initiate", "transaction_list", "transaction_read", "transaction_settle", "transaction_try", "transaction_void", "transaction_void_capture", "unseal_fail", "vault_backup", "vault_key_activate", "vault_key_destroy", "vault_move", "vault_restore", "vault_seal", "vault_unseal", "webhook_deliver", "webhook_retry", "webhook_sweep"];

/** Seconds after which it is looked for newer records. */
const LIVE_SECONDS = 3;

function Actor({ of }: { of: unknown }) {
  if (typeof of !== "string") return <span class="muted">Nobody known</span>;
  return of === "local" ? <>The vault</> : <Someone id={of} />;
}

/** A key; the checkout at which somebody paid without one; or what is neither any more. An organisation or a processor has its id alone. */
function Someone({ id }: { id: string }) {
  const key = useNamed("apikey", id);
  const checkout = useNamed("checkout", key ? undefined : id);
  if (key) return <Link to="apikey" id={id} named />;
  return checkout ? <>Checkout <Link to="checkout" id={id} /></> : <code>{id}</code>;
}

/** What was counted, or refused, is told beside its action. */
function What({ record }: { record: Row }) {
  const more = [record.reason && words(record.reason), record.operation && words(record.operation), typeof record.count === "number" && record.count > 1 && `${record.count} times`].filter(Boolean);
  return <>{words(record.action)}{more.length > 0 && <span class="muted"> · {more.join(" · ")}</span>}</>;
}

const RECORDS: Collection = {
  noun: "audit",
  path: "/v1/audit",
  many: "records",
  pages: "skip",
  stacks: true,
  none: "Every change and every use of a card stands here.",
  columns: [
    { title: "Time", show: (row) => <Time at={row.created_at} /> },
    { title: "Action", show: (row) => <What record={row} /> },
    { title: "By", show: (row) => <Actor of={row.actor} />, wide: 1 },
    { title: "Object", show: (row) => (row.object ? <code>{String(row.object)}</code> : "–"), wide: 1 },
    { title: "From", show: (row) => String(row.address ?? "–"), wide: 2 },
    { title: "Request", show: (row) => (row.request ? <code>{String(row.request)}</code> : "–"), wide: 2 },
  ],
  filters: [
    { name: "action", label: "Action", kind: "choice", options: ACTIONS },
    { name: "actor", label: "By: id of a key, or local" },
    { name: "object", label: "Object's id" },
    { name: "request", label: "Request id" },
    { name: "created_at", label: "From", kind: "from" },
    { name: "created_at", label: "To", kind: "to" },
  ],
};

export function Trail() {
  const [live, setLive] = useState(true);
  return (
    <>
      <Heading title="Trail" about="Every change and every use of a card, the newest first.">
        <label class="check"><input type="checkbox" checked={live} onChange={(event) => setLive(event.currentTarget.checked)} /> Show new records as they come</label>
      </Heading>
      <Verified />
      <List of={RECORDS} every={live ? LIVE_SECONDS : 0} />
    </>
  );
}

const counted = (number: number, what: string) => `${count(number)} ${what}${number === 1 ? "" : "s"}`;

/** When the trail was last held against its chain, and what that came to, where the vault says it. */
function Verified() {
  const { api, may } = useSession();
  const { value: status } = useLoad(may("status_read") ? (signal) => api.read("/v1/status", signal) : null, []);
  const how = <><code>panvault audit verify</code> on the vault's machine</>;
  if (typeof status?.audit_findings !== "number") return <p class="muted">Each record is chained to the one before. {how} examines the chain{status && ", and was not run since this server started"}.</p>;
  const found = status.audit_findings;
  const when = <><Time at={status.audit_verified_at} /> <span class="muted">{counted(Number(status.audit_verified_records), "record")}</span></>;
  if (found > 0) return <div class="fault" role="alert"><p><strong>The trail is not whole: {counted(found, "finding")}</strong> {when}</p><p class="muted">{how} says what they are.</p></div>;
  return <p><Badge state="verified" /> {when}</p>;
}
