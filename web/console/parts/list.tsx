// A list made of a table of columns and filters: one page of it at a time.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Conditions, Row } from "../api";
import { count } from "../format";
import { replaceQuery, useRoute } from "../route";
import { useEvery, useLoad, useSession } from "../session";
import { Empty, Fault } from "./bits";
import { Export } from "./export";
import { conditionsOf, Filters, type Filter } from "./filters";

export interface Column {
  readonly title: string;
  readonly show: (row: Row) => ComponentChildren;
  /** Left out where there is less room: 1 below a tablet's width, 2 below a desk's. */
  readonly wide?: 1 | 2;
  /** Numbers stand at the end. */
  readonly end?: boolean;
}

export interface Collection {
  readonly noun: string;
  readonly path: string;
  /** As a sentence has it: `cards`. */
  readonly many: string;
  readonly columns: readonly Column[];
  readonly filters: readonly Filter[];
  /** Behind the last id, or so many further. */
  readonly pages: "after" | "skip";
  readonly csv?: boolean;
  /** On a telephone a row is a block with all of its columns: nothing else shows them. */
  readonly stacks?: boolean;
  /** Where a row leads. */
  readonly link?: (row: Row) => string;
  /** What to do where there is nothing. */
  readonly none: string;
}

interface ListProps {
  of: Collection;
  /** Conditions that always hold. */
  given?: Conditions;
  rows?: number;
  /** In another's page: without filters, and quiet when empty. */
  within?: boolean;
  /** Seconds after which the first page is asked for again. */
  every?: number;
  /** Raised when something has changed. */
  version?: number;
  /** What a row can do. */
  actions?: (row: Row, reload: () => void) => ComponentChildren;
}

const ROWS_DEFAULT = 50;

export function List({ of, given = {}, rows = ROWS_DEFAULT, within, every = 0, version = 0, actions }: ListProps) {
  const { api, names } = useSession();
  const { query } = useRoute();
  const [personal, setPersonal] = useState<Readonly<Record<string, string>>>({});
  const typed = within ? {} : { ...query, ...personal };
  const conditions = { ...conditionsOf(of.filters, typed), ...given };
  const asked = JSON.stringify(conditions);

  // What the pages before began behind.
  const [before, setBefore] = useState<readonly string[]>([]);
  useEffect(() => setBefore([]), [asked, of.path]);
  const at = before.at(-1);
  const paging = at === undefined ? {} : of.pages === "after" ? { _after: at } : { _skip: at };
  const { value, failure, loading, reload } = useLoad(
    async (signal) => {
      // One more than is shown says whether there is another page.
      // What is counted is gone through: without conditions the vault knows how many there are.
      const uncounted = Object.keys(conditions).length > 0 || at !== undefined ? { _count: "none" } : {};
      const page = await api.list(of.path, { ...conditions, ...paging, ...uncounted, _limit: String(rows + 1) }, signal);
      names.learn(of.noun, page.rows);
      return page;
    },
    [of.path, asked, at, version],
  );
  useEvery(at === undefined ? every * 1000 : 0, reload);
  // The first answer counts all, where nothing narrows the list.
  const [total, setTotal] = useState("");
  useEffect(() => {
    if (value && at === undefined) setTotal(value.total === undefined ? "" : `${count(value.total)}${value.exact ? "" : "+"}`);
  }, [value, at]);

  // What was there before is no answer to a question that was refused.
  const isRefused = failure !== undefined && failure.status >= 400 && failure.status < 500 && failure.status !== 429;
  const shown = isRefused ? [] : (value?.rows.slice(0, rows) ?? []);
  const hasMore = !isRefused && (value?.rows.length ?? 0) > rows;
  const next = () => {
    const last = shown.at(-1);
    if (last) setBefore([...before, of.pages === "after" ? String(last._id) : String(Number(at ?? 0) + rows)]);
  };
  const isFiltered = Object.keys(conditionsOf(of.filters, typed)).length > 0;
  const change = (values: Record<string, string>) => {
    const isPersonal = (name: string) => of.filters.some((filter) => filter.name === name && filter.personal);
    const entries = Object.entries(values).filter(([, text]) => text !== "");
    setPersonal(Object.fromEntries(entries.filter(([name]) => isPersonal(name))));
    replaceQuery(Object.fromEntries(entries.filter(([name]) => !isPersonal(name))));
  };

  return (
    <div class="list" aria-busy={loading}>
      {!within && of.filters.length > 0 && <Filters of={of.filters} values={typed} change={change} />}
      <div class={`progress ${loading ? "on" : ""}`} />
      <Fault failure={failure} retry={reload} />
      {shown.length > 0 && <Table of={of} rows={shown} actions={actions && ((row) => actions(row, reload))} />}
      {value && shown.length === 0 && !failure && (
        isFiltered
          ? <Empty title="Nothing matches"><p>Take a filter away, or choose an earlier time.</p></Empty>
          : within ? <p class="muted none">There are no {of.many}.</p> : <Empty title={`There are no ${of.many} yet`}><p>{of.none}</p></Empty>
      )}
      {!value && loading && <Waiting columns={of.columns.length} rows={within ? 3 : 10} />}
      {(shown.length > 0 || before.length > 0) && (!within || hasMore || before.length > 0) && (
        <nav class="pages" aria-label={`Pages of ${of.many}`}>
          <button type="button" disabled={before.length === 0} onClick={() => setBefore(before.slice(0, -1))}>Newer</button>
          <span class="muted" role="status">Page {before.length + 1}{total && of.pages === "after" && `, ${total} in all`}</span>
          <button type="button" disabled={!hasMore} onClick={next}>Older</button>
          {of.csv && !within && <Export of={of} conditions={conditions} total={value?.exact ? value.total : undefined} />}
        </nav>
      )}
    </div>
  );
}

const WIDE = ["", "wide1", "wide2"];

function Table({ of, rows, actions }: { of: Collection; rows: readonly Row[]; actions: ((row: Row) => ComponentChildren) | undefined }) {
  const name = (column: Column) => `${WIDE[column.wide ?? 0]} ${column.end ? "end" : ""}`.trim() || undefined;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={`Table of ${of.many}`}>
      <table class={of.stacks ? "stacks" : undefined}>
        <thead><tr>{of.columns.map((column) => <th key={column.title} scope="col" class={name(column)}>{column.title}</th>)}{actions && <th scope="col" class="end">Actions</th>}</tr></thead>
        <tbody>
          {rows.map((row) => (
            <tr key={String(row._id)}>
              {of.columns.map((column, at) => (
                <td key={column.title} class={name(column)} data-title={of.stacks ? column.title : undefined}>
                  {at === 0 && of.link ? <a class="whole" href={of.link(row)}>{column.show(row)}</a> : column.show(row)}
                </td>
              ))}
              {actions && <td class="end">{actions(row)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Waiting({ columns, rows }: { columns: number; rows: number }) {
  return (
    <div class="waiting" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, row) => <div key={row}>{Array.from({ length: Math.min(columns, 5) }, (_, column) => <i key={column} />)}</div>)}
    </div>
  );
}
