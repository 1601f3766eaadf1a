// Takes the card together from the frames of a form and sends it.

import type { Failure } from "../protocol";
import type { FieldName, TokenizeOptions } from "../types";
import { isId, send, sendTo, type Caller, type CardBody, type Outcome } from "./api";
import type { Kind, Part } from "./part";
import { family, type Sibling } from "./siblings";
import type { Texts } from "./texts";

const FIELDS: Readonly<Record<Kind, FieldName>> = { number: "cardNumber", expiry: "cardExpiry", cvc: "cardCvc", holder: "cardHolder" };
const NUMBER_AND_EXPIRY: readonly Kind[] = ["number", "expiry"];
const IN_ORDER: readonly Kind[] = ["number", "expiry", "cvc", "holder"];

export async function tokenize(own: Sibling, caller: Caller, options: TokenizeOptions, texts: Texts): Promise<Outcome> {
  const parts = partsOf(own);
  const failure = unusable(options, texts) ?? missing(parts, NUMBER_AND_EXPIRY, texts);
  if (failure) return { failure };
  const body = { ...ownerOf(caller, options), ...cardOf(parts) };
  return done(await send(caller, undefined, body, options.idempotencyKey, texts), parts);
}

/** Gives the card to the checkout that the frame is of. */
export async function bind(own: Sibling, { checkout }: Caller, texts: Texts): Promise<Outcome> {
  const parts = partsOf(own);
  // It becomes part of a path.
  if (checkout === null || !isId(checkout)) return { failure: { code: "invalid", message: texts.refused } };
  const failure = missing(parts, NUMBER_AND_EXPIRY, texts);
  if (failure) return { failure };
  return done(await sendTo(checkout, cardOf(parts), texts), parts);
}

export async function updateCvv(own: Sibling, caller: Caller, card: string, options: TokenizeOptions, texts: Texts): Promise<Outcome> {
  // It becomes part of a path.
  if (!isId(card)) return { failure: { code: "invalid", message: texts.refused } };
  const cvc = partsOf(own).get("cvc");
  const parts = new Map<Kind, Part>(cvc ? [["cvc", cvc]] : []);
  const failure = unusable(options, texts) ?? missing(parts, ["cvc"], texts);
  if (failure) return { failure };
  const body: CardBody = { ...ownerOf(caller, options), cvv: cvc?.value() ?? "" };
  return done(await send(caller, card, body, options.idempotencyKey, texts), parts);
}

/** A CVV that the vault has is not kept here too. */
function done(outcome: Outcome, parts: ReadonlyMap<Kind, Part>): Outcome {
  if ("result" in outcome) parts.get("cvc")?.clear();
  return outcome;
}

function cardOf(parts: ReadonlyMap<Kind, Part>): CardBody {
  const body: CardBody = {};
  const number = parts.get("number")?.value();
  const expiry = parts.get("expiry")?.expiry();
  const cvv = parts.get("cvc")?.value();
  const holder = parts.get("holder")?.value();
  if (number) body.card_number = number;
  if (expiry) [body.expiry_month, body.expiry_year] = [expiry.month, expiry.year];
  if (cvv) body.cvv = cvv;
  if (holder) body.card_holder_name = holder;
  return body;
}

/** The parts of all frames of the form; of several of a kind the first. */
function partsOf(own: Sibling): Map<Kind, Part> {
  const parts = new Map<Kind, Part>();
  for (const sibling of family(own)) {
    for (const part of sibling.parts) if (!parts.has(part.kind)) parts.set(part.kind, part);
  }
  return parts;
}

/** What keeps the card from being sent; every part that has a fault says so. */
function missing(parts: ReadonlyMap<Kind, Part>, needed: readonly Kind[], texts: Texts): Failure | undefined {
  let first: Failure | undefined;
  for (const kind of IN_ORDER) {
    const part = parts.get(kind);
    if (!part) {
      if (needed.includes(kind)) first ??= { code: "incomplete", message: texts[`${kind}Incomplete`], field: FIELDS[kind] };
      continue;
    }
    const { complete, error } = part.want();
    if (!complete) {
      const code = error?.code === "incomplete" ? "incomplete" : "invalid";
      first ??= { code, message: error?.message ?? texts.refused, field: FIELDS[kind] };
    }
  }
  return first;
}

/** What becomes a header is nothing that cannot be one. */
function unusable({ idempotencyKey }: TokenizeOptions, texts: Texts): Failure | undefined {
  return idempotencyKey === undefined || isId(idempotencyKey) ? undefined : { code: "invalid", message: texts.refused };
}

function ownerOf(caller: Caller, options: TokenizeOptions): CardBody {
  const organisation = caller.organisation ?? options.organisation;
  return organisation === undefined ? {} : { organisation };
}
