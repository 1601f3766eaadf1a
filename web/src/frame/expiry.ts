// The month at whose end a card expires, as it is typed: 1/29, 0129, 01 2029.

import { EXPIRY_YEARS_AHEAD_MAX } from "../schemes";

export interface Expiry {
  /** 01 to 12. */
  month: string;
  /** Four digits. */
  year: string;
}

export type ExpiryState = "empty" | "incomplete" | "invalid" | "expired" | "complete";

const BETWEEN = " / ";

/** What is shown for what was typed. While it is deleted nothing is put behind the month. */
export function shown(text: string, deleting: boolean): string {
  const plain = text.normalize("NFKC");
  const digits = plain.replace(/[^0-9]/g, "");
  if (digits === "") return "";
  // A month of one digit ends where a separator does, and where no month goes on.
  const short = /^[^0-9]*[1-9][^0-9]/.test(plain) || /^[2-9]/.test(digits);
  const month = short ? `0${digits[0]}` : digits.slice(0, 2);
  const year = digits.slice(short ? 1 : 2, short ? 5 : 6);
  if (year === "" && (deleting || month.length < 2)) return short && deleting ? digits : month;
  return month + BETWEEN + year;
}

export function stateOf(text: string, now: Date): ExpiryState {
  const digits = text.replace(/[^0-9]/g, "");
  if (digits === "") return "empty";
  const month = Number(digits.slice(0, 2));
  if (digits.length >= 2 && (month < 1 || month > 12)) return "invalid";
  if (digits.length !== 4 && digits.length !== 6) return "incomplete";
  const year = Number(yearOf(digits));
  const ahead = year - now.getUTCFullYear();
  if (ahead > EXPIRY_YEARS_AHEAD_MAX) return "invalid";
  return ahead < 0 || (ahead === 0 && month < now.getUTCMonth() + 1) ? "expired" : "complete";
}

/** Of a text that is complete. */
export function parse(text: string): Expiry {
  const digits = text.replace(/[^0-9]/g, "");
  return { month: digits.slice(0, 2), year: yearOf(digits) };
}

function yearOf(digits: string): string {
  return digits.length === 4 ? `20${digits.slice(2)}` : digits.slice(2);
}
