// Fields of bodies: how each is typed, shown and sent.
import type { Row } from "../api";
import { major, minor } from "../format";

export interface Field {
  /** As the API calls it; `configuration.secret_key` is a member of a member, `configuration.*` are pairs that become members. */
  readonly name: string;
  readonly label: string;
  readonly kind?: "text" | "area" | "secret" | "choice" | "suggest" | "many" | "check" | "amount" | "integer" | "lines" | "pairs" | "json" | "time" | "reference";
  /** What may be chosen. */
  readonly options?: readonly string[];
  /** How they are shown, where their names do not say it. */
  readonly texts?: Readonly<Record<string, string>>;
  /** Of which kind the objects are that may be chosen. */
  readonly noun?: string;
  readonly hint?: string;
  readonly required?: boolean;
  /** Of a new object alone. */
  readonly fixed?: boolean;
  /** Whether it is there beside what was typed so far. */
  readonly when?: (values: Values) => boolean;
  /** What stands in it at first. */
  readonly first?: string;
  /** The object that is sent whole: where one of its members has changed all are sent, and none of them ends it. */
  readonly whole?: string;
}

/** What was typed, by the fields' names. Several values have a line each. */
export type Values = Readonly<Record<string, string>>;

export class Unreadable extends Error {
  constructor(readonly field: string, message: string) {
    super(message);
  }
}

/** All that cannot be sent as it was typed. */
export class UnreadableFields extends Error {
  constructor(readonly all: readonly Unreadable[]) {
    super("some fields cannot be read");
  }
}

function member(row: Row | undefined, name: string): unknown {
  return name.split(".").reduce<unknown>((at, part) => (typeof at === "object" && at !== null ? (at as Row)[part] : undefined), row);
}

export function written(field: Field, row: Row | undefined, currency: string, isNew: boolean): string {
  const value = member(row, field.name);
  if (value === undefined || value === null) return isNew ? (field.first ?? "") : "";
  switch (field.kind) {
    case "many":
    case "lines":
      return (value as unknown[]).join("\n");
    case "pairs":
      return Object.entries(value as Row).map(([name, each]) => `${name} = ${String(each)}`).join("\n");
    case "json":
      return JSON.stringify(value, null, 2);
    case "amount":
      return major(value as number, currency);
    case "time":
      return localInput(String(value));
    default:
      return String(value);
  }
}

/** The value that goes into a body; `null` ends what was there. */
function read(field: Field, text: string, currency: string): unknown {
  const trimmed = text.trim();
  if (field.kind === "check") return text === "true";
  if (field.kind === "many" || field.kind === "lines") return trimmed === "" ? [] : trimmed.split(/\s*\n\s*/);
  if (field.kind === "pairs") return pairs(field, trimmed);
  if (trimmed === "") return null;
  switch (field.kind) {
    case "amount": {
      const amount = minor(trimmed, currency);
      if (amount === undefined) throw new Unreadable(field.name, `must be an amount such as ${major(1250, currency)}`);
      return amount;
    }
    case "integer":
      if (!/^\d{1,10}$/.test(trimmed)) throw new Unreadable(field.name, "must be a whole number");
      return Number(trimmed);
    case "time":
      return new Date(trimmed).toISOString();
    case "json":
      try {
        return JSON.parse(trimmed) as unknown;
      } catch {
        throw new Unreadable(field.name, "must be JSON");
      }
    default:
      return field.kind === "secret" ? text : trimmed;
  }
}

function pairs(field: Field, text: string): Record<string, string> {
  const lines = text === "" ? [] : text.split("\n").filter((line) => line.trim() !== "");
  return Object.fromEntries(lines.map((line) => {
    const at = line.indexOf("=");
    if (at < 1) throw new Unreadable(field.name, "must have one pair a line: name = value");
    return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
  }));
}

/** The body of a new object, or of the change of one: only what is another than before. */
export function bodyOf(fields: readonly Field[], values: Values, before: Values, isNew: boolean, currency: string): Row {
  const body: Record<string, unknown> = {};
  const unreadable: Unreadable[] = [];
  for (const field of fields) {
    if (!shown(field, values, isNew)) continue;
    const text = values[field.name] ?? "";
    if (!isNew && text === (before[field.name] ?? "")) continue;
    if (isNew && text.trim() === "") {
      if (field.required) unreadable.push(new Unreadable(field.name, "must be given"));
      continue;
    }
    try {
      const value = read(field, text, currency);
      if (field.name.endsWith(".*")) for (const [name, each] of Object.entries(value as Row)) put(body, [field.name.slice(0, -2), name], each);
      else put(body, field.name.split("."), value);
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      unreadable.push(error);
    }
  }
  if (unreadable.length > 0) throw new UnreadableFields(unreadable);
  for (const whole of new Set(fields.flatMap((field) => field.whole ?? []))) {
    if (!(whole in body)) continue;
    const members = fields.filter((field) => field.whole === whole && (values[field.name] ?? "").trim() !== "");
    body[whole] = members.length === 0 ? null : Object.fromEntries(members.map((field) => [field.name.slice(whole.length + 1), read(field, values[field.name] ?? "", currency)]));
  }
  return body;
}

export function shown(field: Field, values: Values, isNew: boolean): boolean {
  return (isNew || !field.fixed) && (field.when?.(values) ?? true);
}

function put(body: Record<string, unknown>, [name = "", ...rest]: string[], value: unknown): void {
  if (rest.length === 0) body[name] = value;
  else put((body[name] ??= {}) as Record<string, unknown>, rest, value);
}

/** As an input of type `datetime-local` has it. */
export function localInput(time: string): string {
  const at = new Date(time);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
