// A card number: its brand, how it is spaced, whether it can be one. The server judges; this only helps to type.

import { CVV_DIGITS, CVV_DIGITS_MAX, CVV_DIGITS_MIN, PAN_DIGITS_MAX, PAN_DIGITS_MIN, SCHEMES } from "../schemes";

/** Digits of the scale that ranges are written on. */
const SCALE_DIGITS = 8;
const GROUPS: Readonly<Record<string, readonly number[]>> = { Amex: [4, 6, 5], UATP: [4, 5, 6] };
const GROUPS_OF_14: readonly number[] = [4, 6, 4];
const GROUPS_OF_FOUR: readonly number[] = [4, 4, 4, 4, 3];

interface Scheme {
  readonly brand: string;
  readonly lengths: readonly number[];
  readonly lengthsSure: boolean;
}

/** The ASCII digits of a text; those of other scripts' keyboards become ASCII. */
export function digitsOf(text: string): string {
  return text.normalize("NFKC").replace(/[^0-9]/g, "");
}

/** The scheme of all numbers that begin so: the narrowest range that holds them. */
function schemeOf(digits: string): Scheme | undefined {
  if (digits === "") return undefined;
  const lead = digits.slice(0, SCALE_DIGITS);
  const low = Number(lead.padEnd(SCALE_DIGITS, "0"));
  const high = Number(lead.padEnd(SCALE_DIGITS, "9"));
  const row = SCHEMES.find(([first, last]) => first <= low && high <= last);
  return row && { brand: row[2], lengths: row[3], lengthsSure: row[4] === 1 };
}

export function brandOf(digits: string): string | null {
  return schemeOf(digits)?.brand ?? null;
}

/** Most digits that a number which begins so may have. */
export function digitsMax(digits: string): number {
  const scheme = schemeOf(digits);
  return scheme?.lengthsSure ? Math.max(...scheme.lengths) : PAN_DIGITS_MAX;
}

/**
 * Digits from which on a number may be told to be complete while it is typed. Some schemes have shorter ones too, and whether those
 * would pass the check says something of the digits, so of these it is told when whoever types has left the field.
 */
export function digitsUsual(digits: string): number {
  const scheme = schemeOf(digits);
  if (!scheme || scheme.lengths.includes(16)) return scheme?.brand === "Diners" ? 14 : 16;
  return scheme.lengths[0] ?? 16;
}

/** Fewest digits that a number which begins so may have. */
export function digitsMin(digits: string): number {
  const scheme = schemeOf(digits);
  return scheme?.lengthsSure ? Math.min(...scheme.lengths) : PAN_DIGITS_MIN;
}

/** Whether the server would take it. */
export function isNumber(digits: string): boolean {
  if (digits.length < PAN_DIGITS_MIN || digits.length > PAN_DIGITS_MAX || /^(.)\1*$/.test(digits)) return false;
  const scheme = schemeOf(digits);
  if (scheme?.lengthsSure && !scheme.lengths.includes(digits.length)) return false;
  return luhn(digits);
}

/** ISO/IEC 7812-1 annex B. */
function luhn(digits: string): boolean {
  let sum = 0;
  for (let at = 0; at < digits.length; at += 1) {
    const digit = Number(digits[digits.length - 1 - at]);
    const counted = at % 2 === 0 ? digit : digit * 2;
    sum += counted > 9 ? counted - 9 : counted;
  }
  return sum % 10 === 0;
}

/** As it stands on the card. */
export function spaced(digits: string): string {
  const brand = brandOf(digits);
  const groups = (brand === null ? undefined : GROUPS[brand]) ?? (brand === "Diners" && digits.length <= 14 ? GROUPS_OF_14 : GROUPS_OF_FOUR);
  const parts: string[] = [];
  let rest = digits;
  for (const size of groups) {
    if (rest === "") break;
    parts.push(rest.slice(0, size));
    rest = rest.slice(size);
  }
  return parts.join(" ") + rest;
}

/** Fewest and most digits of the CVV of a card. */
export function cvcDigits(brand: string | null): readonly [number, number] {
  return (brand === null ? undefined : CVV_DIGITS[brand]) ?? [CVV_DIGITS_MIN, CVV_DIGITS_MAX];
}

/** A card that was copied whole. */
export interface WholeCard {
  number: string;
  expiry: string;
  cvc: string;
}

/** Reads `4111 1111 1111 1111 12/29 123`, whose last two parts may lack. Digits behind a number without an expiry may be either, and are neither. */
export function wholeCard(text: string): WholeCard | undefined {
  const plain = text.normalize("NFKC");
  const match = /^\D*([0-9](?:[ -]?[0-9]){11,18})(?:[^0-9]+([0-9]{1,2})\s*[/.-]\s*([0-9]{4}|[0-9]{2}))?(?:[^0-9]+([0-9]{3,4}))?\D*$/.exec(plain);
  if (!match?.[1]) return undefined;
  const [, number, month, year, cvc] = match;
  return { number: digitsOf(number), expiry: month && year ? `${month}/${year}` : "", cvc: month && cvc ? cvc : "" };
}
