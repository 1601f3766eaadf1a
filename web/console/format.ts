// How values are written. Nothing here makes markup.

// Digits behind the point as ISO 4217 has them, where they are not two: a browser's own table is another.
const EXPONENTS: Readonly<Record<number, string>> = {
  0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
  3: "BHD IQD JOD KWD LYD OMR TND",
  4: "CLF UYW",
};

export function exponent(currency: string): number {
  const found = Object.entries(EXPONENTS).find(([, codes]) => codes.split(" ").includes(currency));
  return found ? Number(found[0]) : 2;
}

/** `EUR 1,234.50` of 123450. */
export function money(minor: unknown, currency: unknown): string {
  if (typeof minor !== "number") return "–";
  const code = typeof currency === "string" ? currency : "";
  return `${code} ${major(minor, code, true)}`.trim();
}

/** `1234.50` of 123450, to be typed over. */
export function major(minor: number, currency: string, grouped = false): string {
  const digits = exponent(currency);
  const text = String(Math.abs(minor)).padStart(digits + 1, "0");
  const whole = text.slice(0, text.length - digits);
  const shown = grouped ? whole.replace(/\B(?=(\d{3})+$)/g, ",") : whole;
  return (minor < 0 ? "-" : "") + shown + (digits ? `.${text.slice(-digits)}` : "");
}

/** Minor units of what was typed, or nothing when it is no amount of the currency. A comma is a point. */
export function minor(typed: string, currency: string): number | undefined {
  const digits = exponent(currency);
  const [, whole, part = ""] = /^(\d{1,10})(?:[.,](\d+))?$/.exec(typed.trim()) ?? [];
  if (whole === undefined || part.length > digits) return undefined;
  return Number(whole + part.padEnd(digits, "0"));
}

const two = (number: number) => String(number).padStart(2, "0");

/** The local time, in an order that sorts. */
export function localTime(time: unknown): string {
  const at = new Date(String(time));
  if (Number.isNaN(at.getTime())) return "–";
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock(at)}`;
}

export function clock(at: Date): string {
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

const UNITS: readonly (readonly [number, string])[] = [[86_400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

/** The two largest units of so many seconds: `3 h 12 min`. */
export function duration(seconds: number): string {
  let left = Math.max(0, Math.round(seconds));
  const parts: string[] = [];
  for (const [size, unit] of UNITS) {
    if (left >= size || (unit === "s" && parts.length === 0)) {
      parts.push(`${Math.floor(left / size)} ${unit}`);
      left %= size;
    } else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}

export function bytes(count: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  let value = count;
  for (; value >= 1000 && at < units.length - 1; at += 1) value /= 1000;
  return `${value < 10 && at > 0 ? value.toFixed(1) : Math.round(value)} ${units[at]}`;
}

export function count(number: unknown): string {
  return typeof number === "number" ? number.toLocaleString("en") : "–";
}

/** `SETTLEMENT_REQUESTED` and `card_create` as words. */
export function words(name: unknown): string {
  const text = String(name ?? "").replaceAll("_", " ").toLowerCase();
  return text.charAt(0).toUpperCase() + text.slice(1);
}
