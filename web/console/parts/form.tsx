// A form made of a table of fields.
import type { JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { Failure, idempotencyKey, type Row } from "../api";
import { words } from "../format";
import { asFailure, useLoad, useSession } from "../session";
import { Fault } from "./bits";
import { Dialog } from "./dialog";
import { bodyOf, shown, type Unreadable, UnreadableFields, written, type Field, type Values } from "./fields";

/** Codes after which the same request, with the same idempotency key, may still be on its way or was never begun. */
const SAME_KEY_CODES = [0, 100, 142, 144];

interface FormProps {
  title: string;
  fields: readonly Field[];
  path: string;
  verb: string;
  /** What is changed; without it the object is new. */
  row?: Row | undefined;
  /** Sent beside what is typed. */
  also?: Row;
  /** Of amounts. */
  currency?: string;
  danger?: boolean;
  /** What stands in the fields of a new object at first. */
  first?: Row | undefined;
  close(): void;
  done(answer: Row): void;
  /** Called beside the message: what failed may have changed something too. */
  failed?(): void;
  children?: JSX.Element | string;
}

export function FormDialog({ title, fields, path, verb, row, also, first, currency = "", danger, close, done, failed, children }: FormProps) {
  const { api } = useSession();
  const [before] = useState<Values>(() => Object.fromEntries(fields.map((field) => [field.name, written(field, row ?? first, currency, row === undefined)])));
  const [values, setValues] = useState(before);
  const [failure, setFailure] = useState<Failure>();
  const [wrong, setWrong] = useState<readonly Unreadable[]>([]);
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const sent = useRef({ text: "", key: "" });
  useEffect(() => {
    form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  }, [failure, wrong]);

  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    setFailure(undefined);
    setWrong([]);
    try {
      const body = { ...bodyOf(fields, values, before, row === undefined, currency), ...also };
      if (row && Object.keys(body).length === 0) return close();
      const text = JSON.stringify(body);
      if (sent.current.text !== text) sent.current = { text, key: idempotencyKey() };
      setBusy(true);
      done(await api.post(path, body, sent.current.key));
    } catch (error) {
      setBusy(false);
      if (error instanceof UnreadableFields) return setWrong(error.all);
      const told = asFailure(error);
      if (!SAME_KEY_CODES.includes(told.code)) sent.current = { text: "", key: "" };
      setFailure(told);
      failed?.();
    }
  }

  const visible = fields.filter((field) => shown(field, values, row === undefined));
  return (
    <Dialog title={title} close={close}>
      <form ref={form} onSubmit={(event) => void submit(event)} noValidate autocomplete="off">
        {children}
        {visible.map((field) => (
          <Input
            key={field.name}
            field={field}
            isNew={row === undefined}
            value={values[field.name] ?? ""}
            fault={wrong.find((each) => each.field === field.name)?.message ?? failure?.field(field.name)}
            change={(value) => setValues((last) => ({ ...last, [field.name]: value }))}
          />
        ))}
        <Fault failure={failure && unsaid(failure, visible)} />
        <div class="buttons">
          <button type="button" onClick={close}>Cancel</button>
          <button class={danger ? "danger" : "main"} disabled={busy}>{verb}</button>
        </div>
      </form>
    </Dialog>
  );
}

/** What of a failure no field says. */
function unsaid(failure: Failure, fields: readonly Field[]): Failure {
  const said = fields.map((field) => `body.${field.name}`).filter((name) => typeof failure.details[name] === "string");
  if (said.length === 0) return failure;
  const details = Object.fromEntries(Object.entries(failure.details).filter(([name]) => !said.includes(name)));
  return new Failure("Nothing was done: see what is said above.", failure.status, failure.code, details, failure.requestId);
}

interface InputProps {
  field: Field;
  value: string;
  fault: string | undefined;
  isNew: boolean;
  change(value: string): void;
}

export function Input({ field, value, fault, isNew, change }: InputProps) {
  const id = useId();
  const about = [field.hint && `${id}-hint`, fault && `${id}-fault`].filter(Boolean).join(" ") || undefined;
  const common = { id, "aria-describedby": about, "aria-invalid": fault ? true : undefined, required: isNew && field.required } as const;
  const typed = (event: Event) => change((event.currentTarget as HTMLInputElement).value);
  const below = (
    <>
      {field.hint && <small id={`${id}-hint`} class="muted">{field.hint}</small>}
      {fault && <small id={`${id}-fault`} class="wrong">{field.label} {fault}</small>}
    </>
  );
  switch (field.kind) {
    case "check":
      return <div class="field"><label class="check"><input {...common} type="checkbox" checked={value === "true"} onChange={(event) => change(String(event.currentTarget.checked))} /> {field.label}</label>{below}</div>;
    case "many":
      return <Many field={field} value={value} change={change} below={below} />;
    default:
  }
  let input;
  switch (field.kind) {
    case "choice":
      input = <Choice common={common} options={(field.options ?? []).map((option) => [option, field.texts?.[option] ?? words(option)])} value={value} required={isNew && field.required} change={change} />;
      break;
    case "reference":
      input = <Reference common={common} field={field} value={value} change={change} />;
      break;
    case "area":
    case "lines":
    case "pairs":
    case "json":
      input = <textarea {...common} rows={field.kind === "json" ? 8 : 3} spellcheck={false} value={value} onInput={typed} />;
      break;
    case "suggest":
      input = <><input {...common} type="text" list={`${id}-list`} autocomplete="off" spellcheck={false} value={value} onInput={typed} /><datalist id={`${id}-list`}>{field.options?.map((option) => <option key={option} value={option} />)}</datalist></>;
      break;
    case "secret":
      input = <input {...common} type="password" autocomplete="off" value={value} onInput={typed} />;
      break;
    case "time":
      input = <input {...common} type="datetime-local" value={value} onInput={typed} />;
      break;
    default:
      input = <input {...common} type="text" inputMode={field.kind === "amount" ? "decimal" : field.kind === "integer" ? "numeric" : "text"} autocomplete="off" value={value} onInput={typed} />;
  }
  return <div class="field"><label for={id}>{field.label}{isNew && field.required && <span class="muted"> (required)</span>}</label>{input}{below}</div>;
}

type Common = Readonly<Record<string, unknown>>;

export function Choice({ common, options, value, required, change }: { common: Common; options: readonly (readonly [string, string])[]; value: string; required?: boolean | undefined; change(value: string): void }) {
  const known = options.some(([option]) => option === value);
  return (
    <select {...common} value={value} onChange={(event) => change(event.currentTarget.value)}>
      {(!required || value === "") && <option value="">–</option>}
      {value !== "" && !known && <option value={value}>{value}</option>}
      {options.map(([option, text]) => <option key={option} value={option}>{text}</option>)}
    </select>
  );
}

/** More are not offered: an id is typed then. */
const OFFERED_MAX = 100;

export function useOffered(noun: string) {
  const { api, may } = useSession();
  const { value } = useLoad(may(`${noun}_list`) ? (signal) => api.list(`/v1/${noun}`, { _limit: String(OFFERED_MAX), _count: "none" }, signal) : null, [noun]);
  return { rows: value?.rows ?? [], all: (value?.total ?? 0) <= OFFERED_MAX, ready: value !== undefined };
}

function Reference({ common, field, value, change }: { common: Common; field: Field; value: string; change(value: string): void }) {
  const { rows, all } = useOffered(field.noun ?? "");
  if (!all) return <input {...common} type="text" value={value} placeholder={`Id of the ${field.noun ?? "object"}`} onInput={(event) => change(event.currentTarget.value)} />;
  return <Choice common={common} options={rows.map((row) => [String(row._id), nameOf(row)])} value={value} required={field.required} change={change} />;
}

export function nameOf(row: Row): string {
  return [row.name, row.currency_code].filter(Boolean).map(String).join(", ") || String(row._id);
}

function Many({ field, value, change, below }: { field: Field; value: string; change(value: string): void; below: JSX.Element }) {
  const offered = useOffered(field.noun ?? "");
  const options = field.options?.map((option) => [option, option] as const) ?? offered.rows.map((row) => [String(row._id), nameOf(row)] as const);
  const chosen = value === "" ? [] : value.split("\n");
  const toggle = (option: string) => change((chosen.includes(option) ? chosen.filter((each) => each !== option) : [...chosen, option]).join("\n"));
  return (
    <fieldset class="field">
      <legend>{field.label}</legend>
      {options.map(([option, text]) => <label key={option} class="check"><input type="checkbox" checked={chosen.includes(option)} onChange={() => toggle(option)} /> {text}</label>)}
      {options.length === 0 && <small class="muted">There is none to choose.</small>}
      {below}
    </fieldset>
  );
}
