// Requests to the vault, from the vault's own frame.

import type { Failure } from "../protocol";
import type { Bound, Card, FieldName, Tokenized } from "../types";
import type { Texts } from "./texts";

/** Of each of the two tries. */
const REQUEST_MS_MAX = 15_000;
/** Ids of the API, and keys of requests: what goes into a path or a header is nothing else. */
const ID = /^[0-9A-Za-z_-]{1,255}$/;
const UNAUTHORISED = 401;
const TOO_MANY = 429;
const CONFLICT = 409;
const SERVER_FAULT = 500;
/** Until a request whose answer was lost is asked about again, while the vault is still at it. */
const AGAIN_MS: readonly number[] = [500, 1000, 2000, 4000];

/** Whose frame this is: a publishable key, an organisation that needs none, or a checkout in the vault's own page. */
export interface Caller {
  readonly key: string | null;
  readonly organisation: string | null;
  readonly checkout: string | null;
  /** Of a page of the vault's own origin, behind what guards that: a client certificate, or a proxy that knows its people by cookies. */
  readonly isOwn?: boolean;
}

/** Who needs no key: the checkout's id, which is in the path, is the right to it. */
const NOBODY: Caller = { key: null, organisation: null, checkout: null };

export type Outcome = { result: Tokenized | Bound } | { failure: Failure };
/** What is told of an answer that is good; `undefined` of one that is not what was asked for. */
type Reader = (members: Record<string, unknown>) => Tokenized | Bound | undefined;

export interface CardBody {
  card_number?: string;
  expiry_month?: string;
  expiry_year?: string;
  cvv?: string;
  card_holder_name?: string;
  organisation?: string;
}

export function isId(text: unknown): boolean {
  return typeof text === "string" && ID.test(text);
}

/** Makes a card, or changes the one that is named. */
export function send(caller: Caller, card: string | undefined, body: CardBody, idempotencyKey: string | undefined, texts: Texts): Promise<Outcome> {
  const path = card === undefined ? "/v1/card" : `/v1/card/${card}`;
  const read: Reader = (members) => (typeof members["_id"] === "string" ? { token: members["_id"], card: cardOf(members) } : undefined);
  return ask(path, caller, body, idempotencyKey ?? uuid(), read, texts);
}

/** Makes a card that the checkout pays with. What is told of it is not its token. */
export function sendTo(checkout: string, body: CardBody, texts: Texts): Promise<Outcome> {
  const read: Reader = ({ card }) => {
    if (!isObject(card)) return undefined;
    const { brand, lastFour } = cardOf(card);
    return { card: { brand, lastFour } };
  };
  return ask(`/v1/checkout/${checkout}/card`, NOBODY, body, uuid(), read, texts);
}

async function ask(path: string, caller: Caller, body: CardBody, idempotencyKey: string, read: Reader, texts: Texts): Promise<Outcome> {
  const key = caller.key === null ? {} : { "X-APIKEY": caller.key };
  const headers = { ...key, "Content-Type": "application/json", "Idempotency-Key": idempotencyKey };
  const text = JSON.stringify(body);
  try {
    // The answer to a request may be lost on its way; under the same key the card is not made twice.
    const credentials = caller.isOwn ? "same-origin" : "omit";
    const ask = () => post(path, headers, text, credentials);
    let answer = await ask().catch(ask);
    for (const wait of AGAIN_MS) {
      if (answer.status !== CONFLICT) break;
      await new Promise((resolve) => setTimeout(resolve, wait));
      answer = await ask();
    }
    return await outcome(answer, read, texts);
  } catch {
    return { failure: { code: "network", message: texts.network } };
  }
}

async function post(path: string, headers: Record<string, string>, body: string, credentials: RequestCredentials): Promise<Response> {
  const ended = new AbortController();
  const timer = setTimeout(() => ended.abort(), REQUEST_MS_MAX);
  try {
    // Of mode `same-origin`, the request would not say its origin, which the vault looks at.
    const answer = await fetch(path, { method: "POST", headers, body, mode: "cors", credentials, redirect: "error", cache: "no-store", signal: ended.signal });
    // Read here, under the same clock.
    return new Response(await answer.text(), { status: answer.status, headers: answer.headers });
  } finally {
    clearTimeout(timer);
  }
}

async function outcome(answer: Response, read: Reader, texts: Texts): Promise<Outcome> {
  const told: unknown = await answer.json().catch(() => null);
  const members = isObject(told) ? told : {};
  const result = answer.ok ? read(members) : undefined;
  if (result) return { result };
  const failure: Failure = {
    code: answer.status === UNAUTHORISED ? "key" : "api",
    // What the vault cannot do just now is no fault of what was typed.
    message: answer.status === TOO_MANY ? texts.busy : answer.status >= SERVER_FAULT || answer.status === CONFLICT ? texts.network : texts.refused,
    status: answer.status,
  };
  if (typeof members["code"] === "number") failure.apiCode = members["code"];
  const requestId = answer.headers.get("X-Request-Id");
  if (requestId !== null) failure.requestId = requestId;
  const field = fieldOf(members["details"]);
  if (field) failure.field = field;
  return { failure };
}

function cardOf(members: Record<string, unknown>): Card {
  const text = (name: string) => (typeof members[name] === "string" ? (members[name] as string) : "");
  return { brand: text("brand") || null, lastFour: text("last_four"), expiryMonth: text("expiry_month"), expiryYear: text("expiry_year") };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** The field that the first fault is about. */
function fieldOf(details: unknown): FieldName | undefined {
  const fields: Readonly<Record<string, FieldName>> = {
    "body.card_number": "cardNumber",
    "body.expiry_month": "cardExpiry",
    "body.expiry_year": "cardExpiry",
    "body.cvv": "cardCvc",
    "body.card_holder_name": "cardHolder",
  };
  if (!isObject(details)) return undefined;
  const name = Object.keys(details).find((key) => fields[key]);
  return name === undefined ? undefined : fields[name];
}

/** RFC 9562, version 4; `crypto.randomUUID` is only there under TLS. */
function uuid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
