// Columns and filters of cards, transactions and refunds.
import type { Row } from "../api";
import { Amount, Badge, Clock, Link, place, Time } from "../parts/bits";
import type { Filter } from "../parts/filters";
import type { Collection } from "../parts/list";
import { useNamed } from "../session";

export const BRANDS = ["Amex", "Belkart", "BCCard", "CB", "Cabal", "Dankort", "Diners", "Discover", "Elo", "Hiper", "Hipercard", "Humo", "InterPayment", "JCB", "LankaPay", "Mada", "Maestro", "Mastercard", "Mir", "Naranja", "Napas", "RuPay", "Troy", "UATP", "UnionPay", "Uzcard", "Verve", "Visa"];
export const STATUSES = ["INITIATED", "PENDING", "AUTHORIZED", "AUTHORIZATION_VOIDED", "SETTLEMENT_REQUESTED", "SETTLEMENT_SUBMITTED", "SETTLEMENT_PARTIAL", "SETTLEMENT_COMPLETED", "SETTLEMENT_CANCELLED", "DECLINED", "FAILED", "UNKNOWN", "UNAVAILABLE", "NOT_SUPPORTED"];

const MADE: readonly Filter[] = [
  { name: "created_at", label: "From", kind: "from" },
  { name: "created_at", label: "To", kind: "to" },
];

export function CvvState({ of }: { of: Row }) {
  if (of.kind === "network_token") return <span class="muted">Network token</span>;
  if (of.cvv_present !== true) return <span class="muted">None</span>;
  return <><Badge state="held" /> {typeof of.cvv_expires_at === "string" && <Clock until={of.cvv_expires_at} over="over" />}</>;
}

const MASK = (row: Row) => <code>{String(row.masked_card_number)}</code>;

export const CARDS: Collection = {
  noun: "card",
  path: "/v1/card",
  many: "cards",
  pages: "after",
  csv: true,
  link: (row) => place("card", row._id),
  none: "Take a card with hosted fields in your shop, with POST /v1/card, or with the button above.",
  columns: [
    { title: "Number", show: MASK },
    { title: "Brand", show: (row) => String(row.brand ?? "–"), wide: 1 },
    { title: "Expires", show: (row) => `${String(row.expiry_month)}/${String(row.expiry_year)}` },
    { title: "Issuer", show: (row) => String(row.issuer_name ?? "–"), wide: 2 },
    { title: "Country", show: (row) => String(row.issuer_country ?? "–"), wide: 2 },
    { title: "Type", show: (row) => String(row.type ?? "–"), wide: 2 },
    { title: "CVV", show: (row) => <CvvState of={row} />, wide: 1 },
    { title: "Organisation", show: (row) => <Link to="organisation" id={row.organisation} named />, wide: 2 },
    { title: "Created", show: (row) => <Time at={row.created_at} />, wide: 1 },
  ],
  filters: [
    { name: "_id", label: "Card id" },
    { name: "brand", label: "Brand", kind: "choice", options: BRANDS },
    { name: "bin", label: "First six digits" },
    { name: "last_four", label: "Last four digits" },
    { name: "fingerprint", label: "Fingerprint" },
    { name: "issuer_country", label: "Issuer's country" },
    { name: "type", label: "Type", kind: "choice", options: ["credit", "debit", "prepaid", "charge"] },
    ...MADE,
  ],
};

export const TRANSACTIONS: Collection = {
  noun: "transaction",
  path: "/v1/transaction",
  many: "transactions",
  pages: "after",
  csv: true,
  link: (row) => place("transaction", row._id),
  none: "Pay with a card: POST /v1/transaction, or the Terminal.",
  columns: [
    { title: "Created", show: (row) => <Time at={row.created_at} /> },
    { title: "Status", show: (row) => <Badge state={row.status} /> },
    { title: "Amount", show: (row) => <Amount of={row.amount} currency={row.currency_code} />, end: true },
    { title: "Reference", show: (row) => String(row.merchant_reference ?? "–"), wide: 1 },
    { title: "Brand", show: (row) => String(row.payment_product_type ?? "–"), wide: 1 },
    { title: "Captured", show: (row) => <Amount of={row.captured_amount} currency={row.currency_code} />, wide: 2, end: true },
    { title: "Refunded", show: (row) => <Amount of={row.refunded_amount || undefined} currency={row.currency_code} />, wide: 2, end: true },
    { title: "Reason", show: (row) => String(row.reason_code ?? "–"), wide: 2 },
    { title: "Account", show: (row) => <Link to="account" id={row.account} named />, wide: 2 },
  ],
  filters: [
    { name: "_id", label: "Transaction id" },
    { name: "status", label: "Status", kind: "choice", options: STATUSES },
    { name: "merchant_reference", label: "Reference" },
    { name: "account", label: "Account", kind: "reference", noun: "account" },
    { name: "card", label: "Card id" },
    { name: "amount", label: "Amount, minor units" },
    { name: "payment_product_type", label: "Brand", kind: "choice", options: BRANDS },
    ...MADE,
  ],
};

/** The currency is the account's. */
export function CheckoutAmount({ of }: { of: Row }) {
  return <Amount of={of.amount} currency={useNamed("account", of.account)?.currency_code} />;
}

export const CHECKOUTS: Collection = {
  noun: "checkout",
  path: "/v1/checkout",
  many: "checkouts",
  pages: "after",
  csv: true,
  link: (row) => place("checkout", row._id),
  none: "Send a shopper to a page of the vault: POST /v1/checkout makes one, and answers with its address.",
  columns: [
    { title: "Created", show: (row) => <Time at={row.created_at} /> },
    { title: "Status", show: (row) => <Badge state={row.status} /> },
    { title: "Amount", show: (row) => <CheckoutAmount of={row} />, end: true },
    { title: "Reference", show: (row) => String(row.merchant_reference ?? "–"), wide: 1 },
    { title: "Attempts", show: (row) => String(row.attempts), wide: 2, end: true },
    { title: "Transaction", show: (row) => <Link to="transaction" id={row.transaction} />, wide: 2 },
    { title: "Account", show: (row) => <Link to="account" id={row.account} named />, wide: 2 },
    { title: "Until", show: (row) => <Time at={row.expires_at} />, wide: 1 },
  ],
  filters: [
    { name: "_id", label: "Checkout id" },
    { name: "merchant_reference", label: "Reference" },
    { name: "account", label: "Account", kind: "reference", noun: "account" },
    { name: "transaction", label: "Transaction id" },
    { name: "amount", label: "Amount, minor units" },
    ...MADE,
  ],
};

export const REFUNDS: Collection = {
  noun: "refund",
  path: "/v1/refund",
  many: "refunds",
  pages: "after",
  csv: true,
  link: (row) => place("refund", row._id),
  none: "What was settled is refunded from its transaction.",
  columns: [
    { title: "Created", show: (row) => <Time at={row.created_at} /> },
    { title: "Status", show: (row) => <Badge state={row.status} /> },
    { title: "Amount", show: (row) => <Amount of={row.amount} currency={row.currency_code} />, end: true },
    { title: "Reason", show: (row) => String(row.reason ?? "–"), wide: 1 },
    { title: "Reference", show: (row) => String(row.merchant_reference ?? "–"), wide: 2 },
    { title: "Transaction", show: (row) => <Link to="transaction" id={row.transaction} />, wide: 2 },
  ],
  filters: [
    { name: "_id", label: "Refund id" },
    { name: "status", label: "Status", kind: "choice", options: ["PENDING", "PROCESSED", "FAILED"] },
    { name: "transaction", label: "Transaction id" },
    { name: "account", label: "Account", kind: "reference", noun: "account" },
    ...MADE,
  ],
};
