// What the vault says of a checkout, and what it is asked to do. Neither has a digit of a card, or its token.

import { look, type Look } from "./theme";

const STATUSES = ["open", "processing", "completed", "failed", "expired", "cancelled"] as const;
const DOES = ["pay", "tokenise", "verify"] as const;
const CURRENCY = /^[A-Z]{3}$/;
/** More than these is every brand that there is, of which nobody reads a list; and then cards without a brand are taken too. */
const BRANDS_MAX = 12;
const REQUEST_MS_MAX = 15_000;
/** The vault answers a payment when the processor has answered it. */
const PAY_MS_MAX = 90_000;
const NOT_FOUND = 404;
const TOO_MANY = 429;

export type Status = (typeof STATUSES)[number];
/** What comes of the card: it pays, is only kept, or is checked by a transaction of nothing. */
export type Does = (typeof DOES)[number];

export interface State {
  readonly status: Status;
  readonly does: Does;
  readonly amount: number;
  readonly currency: string;
  readonly merchant: string;
  readonly logo: string | undefined;
  /** Brands that are taken; all where there are none. */
  readonly brands: readonly string[];
  /** The number of the attempt that comes next: only this one may be paid with. */
  readonly attempt: number;
  readonly attemptsLeft: number;
  readonly secondsLeft: number;
  readonly locale: string | undefined;
  readonly look: Look;
  readonly title: string | undefined;
  readonly button: string | undefined;
  readonly footer: string | undefined;
  /** Where the shopper goes when it has ended. */
  readonly back: string | undefined;
  /** The code of what became of the attempt before. */
  readonly fault: number | undefined;
}

export type View = { is: "shown"; state: State } | { is: "missing" | "busy" | "unreachable" };
/** Of what was asked for: what became of it, or the code or status of a refusal. `busy` where it was asked too often, `lost` where no answer came. */
export type Paid = { is: "taken"; status: Status; back: string | undefined } | { is: "refused"; code: number } | { is: "busy" | "lost" };

/** Asks for the state. */
export async function view(checkout: string): Promise<View> {
  try {
    const answer = await ask(`/v1/checkout/view/${checkout}.json`, { method: "GET" }, REQUEST_MS_MAX);
    if (answer.status === NOT_FOUND) return { is: "missing" };
    if (answer.status === TOO_MANY) return { is: "busy" };
    const state = answer.ok ? read(await answer.json()) : undefined;
    return state ? { is: "shown", state } : { is: "unreachable" };
  } catch {
    return { is: "unreachable" };
  }
}

/** Pays with the card that was given to the checkout. Of one number, however often it is sent, one transaction comes. */
export function pay(checkout: string, attempt: number): Promise<Paid> {
  return act(`/v1/checkout/${checkout}/pay`, { attempt });
}

/** Ends it without a payment, unless one is under way. */
export function cancel(checkout: string): Promise<Paid> {
  return act(`/v1/checkout/${checkout}/cancel`, {});
}

async function act(path: string, body: object): Promise<Paid> {
  try {
    const init = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
    const answer = await ask(path, init, PAY_MS_MAX);
    if (answer.status === TOO_MANY) return { is: "busy" };
    const told = members(await answer.json().catch(() => null));
    const status = one(STATUSES, told["status"]);
    if (answer.ok && status) return { is: "taken", status, back: address(told["return"]) };
    return { is: "refused", code: typeof told["code"] === "number" ? told["code"] : answer.status };
  } catch {
    return { is: "lost" };
  }
}

function ask(path: string, init: RequestInit, ms: number): Promise<Response> {
  // Of mode `same-origin`, the request would not say its origin, which the vault looks at.
  return fetch(path, { ...init, mode: "cors", credentials: "omit", redirect: "error", cache: "no-store", signal: AbortSignal.timeout(ms) });
}

function read(told: unknown): State | undefined {
  const from = members(told);
  const [status, does] = [one(STATUSES, from["status"]), one(DOES, from["does"])];
  const [amount, attempt] = [number(from["amount"]), number(from["attempt"])];
  const currency = text(from["currency_code"]);
  if (!status || !does || amount === undefined || attempt === undefined || !currency || !CURRENCY.test(currency)) return undefined;
  const theme = members(from["theme"]);
  return {
    status,
    does,
    amount,
    currency,
    attempt,
    merchant: text(from["merchant"]) ?? location.host,
    logo: text(from["logo"]),
    brands: brands(from["brands"]),
    attemptsLeft: number(from["attempts_left"]) ?? 0,
    secondsLeft: number(from["expires_in_seconds"]) ?? 0,
    locale: text(from["locale"]),
    look: look(theme),
    title: text(theme["title"]),
    button: text(theme["button_text"]),
    footer: text(theme["footer_text"]),
    back: address(from["return"]),
    fault: number(members(from["error"])["code"]),
  };
}

function brands(value: unknown): string[] {
  const named = Array.isArray(value) ? value.filter((brand) => typeof brand === "string") : [];
  return named.length > BRANDS_MAX ? [] : named;
}

function members(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function one<Name extends string>(names: readonly Name[], value: unknown): Name | undefined {
  return names.find((name) => name === value);
}

function number(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value.trim() !== "" ? value : undefined;
}

/** An address to go to: of the web, so that no text becomes a script. */
function address(value: unknown): string | undefined {
  const url = parse(value);
  return url && (url.protocol === "https:" || url.protocol === "http:") ? url.href : undefined;
}

function parse(value: unknown): URL | undefined {
  try {
    return typeof value === "string" ? new URL(value) : undefined;
  } catch {
    return undefined;
  }
}
