// What narrows a list.
import { useId, useState } from "preact/hooks";
import type { Conditions } from "../api";
import { holdsCardNumber } from "../card-number";
import { words } from "../format";
import { Choice, nameOf, useOffered } from "./form";

export interface Filter {
  /** The member of the objects, as the API's query has it. */
  readonly name: string;
  readonly label: string;
  readonly kind?: "text" | "choice" | "from" | "to" | "reference";
  readonly options?: readonly string[];
  readonly noun?: string;
  /** A person's, so that it does not stand in the address. */
  readonly personal?: boolean;
}

/** The same moment may be bounded from both sides, so its filters have names of their own. */
function key({ name, kind }: Filter): string {
  return kind === "from" || kind === "to" ? `${name}_${kind}` : name;
}

export function conditionsOf(filters: readonly Filter[], values: Readonly<Record<string, string>>): Conditions {
  const conditions: Record<string, string> = {};
  for (const filter of filters) {
    const text = (values[key(filter)] ?? "").trim();
    // One that somebody put into the address is not asked for: a query stands in the logs of proxies.
    if (text === "" || holdsCardNumber(text)) continue;
    const { name, kind } = filter;
    if (kind !== "from" && kind !== "to") conditions[name] = text;
    else {
      const at = new Date(text);
      if (!Number.isNaN(at.getTime())) conditions[`${name}${kind === "from" ? ">" : "<"}`] = at.toISOString();
    }
  }
  return conditions;
}

interface FiltersProps {
  of: readonly Filter[];
  values: Readonly<Record<string, string>>;
  change(values: Record<string, string>): void;
}

export function Filters({ of, values, change }: FiltersProps) {
  // Counted, so that each refusal shows the box again as it was.
  const [refused, setRefused] = useState(0);
  const set = (filter: Filter, text: string) => {
    if (holdsCardNumber(text)) return setRefused(refused + 1);
    setRefused(0);
    change({ ...values, [key(filter)]: text });
  };
  const isAny = of.some((filter) => values[key(filter)]);
  // On a telephone they would stand before the list; elsewhere they are always open.
  const [open, setOpen] = useState(isAny);
  return (
    <>
      <button type="button" class="narrow" aria-expanded={open} onClick={() => setOpen(!open)}>Filter</button>
      <form class={`filters ${open ? "" : "closed"}`} role="search" onSubmit={(event) => event.preventDefault()}>
        {of.map((filter) => <One key={key(filter)} filter={filter} value={shownOf(values[key(filter)])} change={(text) => set(filter, text)} />)}
        {isAny && <button type="button" class="quiet" onClick={() => { setRefused(0); change({}); }}>Clear</button>}
      </form>
      {refused > 0 && <p key={refused} class="wrong" role="alert">That looks like a card number. Nothing goes by one here: it would stand in addresses and logs. Use the last four digits or the fingerprint.</p>}
    </>
  );
}

function shownOf(value: string | undefined): string {
  return value === undefined || holdsCardNumber(value) ? "" : value;
}

function One({ filter, value, change }: { filter: Filter; value: string; change(text: string): void }) {
  const id = useId();
  const { kind } = filter;
  const changed = (event: Event) => change((event.currentTarget as HTMLInputElement).value);
  return (
    <div>
      <label for={id}>{filter.label}</label>
      {kind === "choice" ? <Choice common={{ id }} options={(filter.options ?? []).map((option) => [option, words(option)])} value={value} change={change} />
        : kind === "reference" ? <Offered id={id} noun={filter.noun ?? ""} value={value} change={change} />
        : kind === "from" || kind === "to" ? <input id={id} type="datetime-local" value={value} onChange={changed} />
        : <input id={id} type="text" autocomplete="off" spellcheck={false} value={value} onChange={changed} />}
    </div>
  );
}

function Offered({ id, noun, value, change }: { id: string; noun: string; value: string; change(text: string): void }) {
  const { rows, all } = useOffered(noun);
  if (!all) return <input id={id} type="text" placeholder="Id" value={value} onChange={(event) => change(event.currentTarget.value)} />;
  return <Choice common={{ id }} options={rows.map((row) => [String(row._id), nameOf(row)])} value={value} change={change} />;
}
