// Columns, filters and fields of what is set up: organisations, accounts, processors, customers, API keys, deliveries.
import type { Row } from "../api";
import { words } from "../format";
import { Badge, Link, place, Time } from "../parts/bits";
import type { Field, Values } from "../parts/fields";
import type { Filter } from "../parts/filters";
import type { Collection, Column } from "../parts/list";

const NAME: Column = { title: "Name", show: (row) => String(row.name) };
const ORGANISATION: Column = { title: "Organisation", show: (row) => <Link to="organisation" id={row.organisation} named />, wide: 1 };
const CREATED: Column = { title: "Created", show: (row) => <Time at={row.created_at} />, wide: 2 };
const STATE: Column = { title: "State", show: (row) => (row.disabled ? <Badge state="disabled" /> : "Active") };
const BY_NAME: Filter = { name: "name", label: "Name" };
const BY_ORGANISATION: Filter = { name: "organisation", label: "Organisation", kind: "reference", noun: "organisation" };
const BY_DISABLED: Filter = { name: "disabled", label: "Disabled", kind: "choice", options: ["true", "false"] };

const TO_NAME: Field = { name: "name", label: "Name", required: true };
const TO_ORGANISATION: Field = { name: "organisation", label: "Organisation", kind: "reference", noun: "organisation", fixed: true, hint: "That of your key, unless you choose another." };
const TO_DISABLED: Field = { name: "disabled", label: "Disabled", kind: "check" };

const theme = (name: string, label: string, more: Partial<Field> = {}): Field => ({ name: `checkout_theme.${name}`, label: `Checkout: ${label}`, whole: "checkout_theme", ...more });

/** How pages of checkouts look. */
const THEME: readonly Field[] = [
  theme("title", "title"), theme("button_text", "text of the button"), theme("footer_text", "text at the foot"),
  theme("primary_colour", "colour of buttons", { hint: "# and six digits: #0a7d5a" }), theme("background_colour", "colour of the page"), theme("text_colour", "colour of text"),
  theme("font", "font", { kind: "choice", options: ["system", "serif", "mono"] }), theme("radius", "radius of corners", { kind: "integer", hint: "0 to 24" }),
];

/** What is set up of one kind. */
export interface Kind extends Collection {
  /** As a sentence has it: `account`. */
  readonly one: string;
  readonly fields: readonly Field[];
  /** Shown of one, beside its fields. */
  readonly facts?: (row: Row) => readonly (readonly [string, unknown])[];
  /** What its end means. */
  readonly end: string;
}

export const ORGANISATIONS: Kind = {
  noun: "organisation", path: "/v1/organisation", one: "organisation", many: "organisations", pages: "after", link: (row) => place("organisation", row._id),
  none: "Make one for each merchant or seller.",
  columns: [NAME, STATE, { title: "Country", show: (row) => String(row.country_code ?? "–"), wide: 1 }, { title: "Below", show: (row) => <Link to="organisation" id={row.parent_id} named />, wide: 1 }, CREATED],
  filters: [BY_NAME, { name: "parent_id", label: "Below", kind: "reference", noun: "organisation" }, { name: "country_code", label: "Country" }, BY_DISABLED],
  fields: [
    TO_NAME,
    { name: "parent_id", label: "Below", kind: "reference", noun: "organisation", fixed: true, hint: "That of your key, unless you choose another." },
    { name: "country_code", label: "Country", hint: "Two letters, as in ISO 3166-1." },
    { name: "email", label: "Email address" }, { name: "phone", label: "Telephone" },
    { name: "street", label: "Street" }, { name: "street_number", label: "Number" }, { name: "extended_address", label: "Further address" },
    { name: "postal_code", label: "Postal code" }, { name: "locality", label: "Town" }, { name: "region", label: "Region" }, { name: "tax_number", label: "Tax number" },
    { name: "keyless_capture_origins", label: "Pages that may post cards without a key", kind: "lines", hint: "Web origins, one a line: https://shop.example" },
    { name: "return_origins", label: "Where checkouts may lead back to", kind: "lines", hint: "Web origins, one a line; any, when it is empty." },
    ...THEME,
    { ...TO_DISABLED, hint: "Refuses what changes or pays in it or below it; its keys are nobody's meanwhile." },
  ],
  end: "Only an organisation on which nothing hangs is deleted.",
};

export const ACCOUNTS: Kind = {
  noun: "account", path: "/v1/account", one: "account", many: "accounts", pages: "after", link: (row) => place("account", row._id),
  none: "An account pays in one currency by its processors: make a processor first.",
  columns: [NAME, { title: "Currency", show: (row) => String(row.currency_code) }, STATE, { title: "Pays by", show: (row) => (row.processors_configurations as Row[]).map((each) => String(each._type)).join(", ") || "nothing yet", wide: 1 }, ORGANISATION, CREATED],
  filters: [BY_NAME, { name: "currency_code", label: "Currency" }, BY_ORGANISATION, BY_DISABLED],
  fields: [
    TO_NAME,
    TO_ORGANISATION,
    { name: "currency_code", label: "Currency", required: true, fixed: true, hint: "Three letters, as in ISO 4217. It never changes." },
    { name: "processors", label: "Processors", kind: "many", noun: "processor" },
    { name: "description", label: "Description" },
    { name: "webhook_transaction_update", label: "URL to tell of transactions" },
    { name: "webhook_refund_update", label: "URL to tell of refunds" },
    { name: "webhook_chargeback_update", label: "URL to tell of chargebacks" },
    ...THEME,
    { ...TO_DISABLED, hint: "Takes no new transactions; what was paid can still be captured, voided and refunded." },
  ],
  end: "Only an account on which nothing hangs is deleted.",
};

const TYPES = ["card_dummy", "card_stripe", "card_adyen", "card_checkout", "card_route"];
const isType = (...types: string[]) => (values: Values) => types.includes(values["configuration._type"] ?? "");
const setting = (name: string, label: string, ...types: string[]): Field => ({ name: `configuration.${name}`, label, when: isType(...types) });
const secret = (name: string, label: string, ...types: string[]): Field => ({ ...setting(name, label, ...types), kind: "secret", hint: "Sealed when it comes, and never shown again." });

export const PROCESSORS: Kind = {
  noun: "processor", path: "/v1/processor", one: "processor", many: "processors", pages: "after", link: (row) => place("processor", row._id),
  none: "A processor says who payments go to, and with which secrets.",
  columns: [NAME, { title: "Type", show: (row) => <code>{String((row.configuration as Row)._type)}</code> }, ORGANISATION, CREATED],
  filters: [BY_NAME, BY_ORGANISATION],
  fields: [
    TO_NAME,
    TO_ORGANISATION,
    { name: "configuration._type", label: "Type", kind: "suggest", options: TYPES, required: true, fixed: true, hint: "One of these, or the name of a description of your own." },
    setting("decline_without_cvv", "Declined without CVV, percent", "card_dummy"),
    setting("merchant_account", "Merchant account", "card_adyen"),
    setting("return_url", "Return URL", "card_adyen"),
    setting("live_prefix", "Prefix of the live URL", "card_adyen"),
    setting("processing_channel", "Processing channel", "card_checkout"),
    secret("secret_key", "Secret key", "card_stripe", "card_checkout"),
    secret("api_key", "API key", "card_adyen"),
    secret("webhook_secret", "Secret of notifications", "card_stripe", "card_checkout"),
    secret("hmac_key", "HMAC key of notifications", "card_adyen"),
    { name: "configuration.routes", label: "Routes, as JSON", kind: "json", when: isType("card_route"), first: '[\n  { "processor": "ID OF A PROCESSOR" }\n]', hint: "Tried in this order. A change names all routes." },
    { name: "configuration.*", label: "Settings and secrets", kind: "pairs", when: (values) => !TYPES.includes(values["configuration._type"] ?? ""), hint: "As the description of the type names them, one a line: name = value" },
  ],
  facts: (row) => [["Secrets that are set", ((row.secrets ?? []) as string[]).join(", ") || "None"]],
  end: "Only a processor that no account and no route names is deleted.",
};

export const CUSTOMERS: Kind = {
  noun: "customer", path: "/v1/customer", one: "customer", many: "customers", pages: "after", link: (row) => place("customer", row._id),
  none: "A customer is who pays. Make one where an address is to be verified, or to find a person's cards again.",
  columns: [
    { title: "Name", show: (row) => [row.first_name, row.last_name].filter(Boolean).map(String).join(" ") || String(row.company_name ?? row._id) },
    { title: "Email address", show: (row) => String(row.email_address ?? "–") },
    { title: "Town", show: (row) => String(row.city ?? "–"), wide: 1 },
    { title: "Country", show: (row) => String(row.country_code ?? "–"), wide: 1 },
    ORGANISATION, CREATED,
  ],
  filters: [{ name: "email_address", label: "Email address", personal: true }, { name: "_id", label: "Customer id" }, BY_ORGANISATION],
  fields: [
    { name: "title", label: "Title" }, { name: "first_name", label: "First name" }, { name: "last_name", label: "Last name" },
    { name: "company_name", label: "Company" }, { name: "company_registration_number", label: "Company's registration" },
    { name: "email_address", label: "Email address" }, { name: "phone_number", label: "Telephone" },
    { name: "street_address", label: "Street" }, { name: "postal_code", label: "Postal code" }, { name: "city", label: "Town" }, { name: "region", label: "Region" },
    { name: "country_code", label: "Country", hint: "Two letters, as in ISO 3166-1." }, { name: "date_of_birth", label: "Date of birth", hint: "YYYY-MM-DD" },
    TO_ORGANISATION,
  ],
  end: "Name, addresses and all else is erased for good. Transactions keep the id, which opens nothing any more.",
};

const KEY_ROLES = ["ProviderAdmin", "ProviderUser", "MerchantAdmin", "MerchantSupervisor", "MerchantCashier", "MerchantUser", "Publishable"];

/** Roles that one may give: nobody gives roles above their own. */
export function givenRoles(roles: readonly string[]): readonly string[] {
  if (roles.includes("ProviderAdmin")) return KEY_ROLES;
  return roles.includes("MerchantAdmin") ? KEY_ROLES.filter((role) => !role.startsWith("Provider")) : [];
}

export function keyState(row: Row): string {
  return typeof row.expires_at === "string" && Date.parse(row.expires_at) <= Date.now() ? "expired" : "Active";
}

export const KEYS: Kind = {
  noun: "apikey", path: "/v1/apikey", one: "API key", many: "API keys", pages: "after", link: (row) => place("apikey", row._id),
  none: "Make one for each program, with no more roles than it needs.",
  columns: [
    NAME,
    { title: "Roles", show: (row) => (row.roles as string[]).join(", ") },
    { title: "State", show: (row) => (keyState(row) === "expired" ? <Badge state="expired" /> : "Active"), wide: 1 },
    { title: "Expires", show: (row) => (row.expires_at ? <Time at={row.expires_at} /> : "Never"), wide: 2 },
    { title: "Last used", show: (row) => (row.last_used_at ? <Time at={row.last_used_at} /> : "Never"), wide: 1 },
    ORGANISATION,
  ],
  filters: [BY_NAME, BY_ORGANISATION],
  fields: [
    TO_NAME,
    TO_ORGANISATION,
    { name: "roles", label: "Roles", kind: "many", options: KEY_ROLES, required: true },
    { name: "allowed_origins", label: "Allowed origins", kind: "lines", hint: "Of pages that use the key, one a line: https://shop.example", when: (values) => (values.roles ?? "").split("\n").includes("Publishable") },
    { name: "expires_at", label: "Expires", kind: "time", hint: "Never, when it is left empty." },
  ],
  end: "Whoever uses this key is refused from now on. It cannot be brought back.",
};

export const DELIVERIES: Collection = {
  noun: "webhook_delivery", path: "/v1/webhook_delivery", many: "deliveries", pages: "after", stacks: true,
  none: "Give an account a URL to tell: each change of its transactions is sent there, signed.",
  columns: [
    { title: "Created", show: (row) => <Time at={row.created_at} /> },
    { title: "Status", show: (row) => <Badge state={row.status} /> },
    { title: "Tells", show: (row) => words(row.object_status), wide: 1 },
    { title: "Of", show: (row) => (row.refund ? <Link to="refund" id={row.refund} /> : <Link to="transaction" id={row.transaction} />), wide: 2 },
    { title: "URL", show: (row) => <span class="url">{String(row.url)}</span>, wide: 1 },
    { title: "Attempts", show: (row) => String(row.attempts), wide: 1, end: true },
    { title: "Last answer", show: (row) => [row.answer_status, row.fault && words(row.fault)].filter(Boolean).map(String).join(", ") || "–", wide: 1 },
    { title: "Next attempt", show: (row) => <Time at={row.next_attempt_at} />, wide: 2 },
  ],
  filters: [
    { name: "status", label: "Status", kind: "choice", options: ["WAITING", "DELIVERED", "FAILED"] },
    { name: "account", label: "Account", kind: "reference", noun: "account" },
    { name: "transaction", label: "Transaction id" },
    { name: "created_at", label: "From", kind: "from" },
    { name: "created_at", label: "To", kind: "to" },
  ],
};
