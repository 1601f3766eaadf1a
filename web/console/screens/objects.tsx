// What is set up: a list of one kind, one object with its fields, and what may be done with it.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Row } from "../api";
import { Badge, Copy, type Fact, Facts, Heading, Id, Link, Pairs, Panel, place, Time } from "../parts/bits";
import { Detail } from "../parts/detail";
import { Confirm, Dialog } from "../parts/dialog";
import type { Field } from "../parts/fields";
import { FormDialog } from "../parts/form";
import { List } from "../parts/list";
import { go } from "../route";
import { useSession } from "../session";
import { Keys } from "./keys";
import { Logo } from "./logo";
import { CARDS, TRANSACTIONS } from "../tables/payments";
import { ACCOUNTS, CUSTOMERS, givenRoles, KEYS, ORGANISATIONS, PROCESSORS, type Kind } from "../tables/setup";

const TITLES = new Map<Kind, string>([[ORGANISATIONS, "Organisations"], [ACCOUNTS, "Accounts"], [PROCESSORS, "Processors"], [CUSTOMERS, "Customers"], [KEYS, "API keys"]]);

/** What is shown this once, and by which name. */
const ONCE = [["api_key", "API key"], ["webhook_secret", "secret of webhooks"]] as const;

export function Objects({ of, id, before }: { of: Kind; id: string | undefined; before?: JSX.Element }) {
  const { may, caller, names } = useSession();
  const [adding, setAdding] = useState(false);
  const [made, setMade] = useState<Row>();
  const [version, setVersion] = useState(0);
  const fields = of === KEYS ? KEYS.fields.map((field) => (field.name === "roles" ? { ...field, options: givenRoles(caller.roles) } : field)) : of.fields;
  if (id !== undefined) return <One of={of} id={id} fields={fields} />;
  const title = TITLES.get(of) ?? of.many;
  const done = (row: Row) => {
    setAdding(false);
    names.learn(of.noun, [row]);
    setVersion(version + 1);
    if (ONCE.some(([name]) => row[name])) setMade(row);
    else go(place(of.noun, row._id));
  };
  return (
    <>
      <Heading title={title}>{may(`${of.noun}_create`) && <button type="button" class="main" onClick={() => setAdding(true)}>Add {article(of.one)}</button>}</Heading>
      {before}
      <List of={of} version={version} />
      {adding && <FormDialog title={`Add ${article(of.one)}`} fields={fields} path={of.path} verb="Add" close={() => setAdding(false)} done={done} />}
      {made && <Once row={made} close={() => { setMade(undefined); go(place(of.noun, made._id)); }} />}
    </>
  );
}

const capital = (one: string) => one.charAt(0).toUpperCase() + one.slice(1);
const article = (one: string) => `${/^[aeio]/i.test(one) ? "an" : "a"} ${one}`;

function One({ of, id, fields }: { of: Kind; id: string; fields: readonly Field[] }) {
  const path = `${of.path}/${encodeURIComponent(id)}`;
  const list = place(of.noun, "").replace(/\/$/, "");
  return <Detail one={of.one} many={TITLES.get(of) ?? of.many} path={path} back={list}>{(row, reload) => <Object of={of} row={row} path={path} fields={fields} reload={reload} />}</Detail>;
}

type Doing = "change" | "delete" | "secret" | "rotate";

const ROTATE: readonly Field[] = [
  { name: "overlap_seconds", label: "Seconds for which the old key works on", kind: "integer", required: true, first: "3600" },
  { name: "expires_at", label: "The next key expires", kind: "time", hint: "As the old one did, when it is left empty." },
];

function Object({ of, row, path, fields, reload }: { of: Kind; row: Row; path: string; fields: readonly Field[]; reload(): void }) {
  const { api, may, names, notify, caller } = useSession();
  const [doing, setDoing] = useState<Doing>();
  const [made, setMade] = useState<Row>();
  const close = () => setDoing(undefined);
  const isGiven = of !== KEYS || (row.roles as string[]).every((role) => givenRoles(caller.roles).includes(role));
  const mayDo = (operation: string) => may(`${of.noun}_${operation}`) && isGiven;
  const done = (answer: Row) => {
    close();
    notify("Saved");
    if (ONCE.some(([name]) => answer[name])) setMade(answer);
    names.learn(of.noun, [answer]);
    reload();
  };
  const remove = async () => {
    await api.remove(path);
    notify(`${capital(of.one)} deleted`);
    go(place(of.noun, "").replace(/\/$/, ""));
  };
  return (
    <>
      <Heading title={titleOf(row)} about={<Id id={row._id} />}>
        {row.disabled === true && <Badge state="disabled" />}
        {mayDo("webhook_secret") && <button type="button" onClick={() => setDoing("secret")}>New webhook secret</button>}
        {mayDo("rotate") && <button type="button" onClick={() => setDoing("rotate")}>Rotate</button>}
        {mayDo("update") && <button type="button" onClick={() => setDoing("change")}>Change</button>}
        {mayDo("delete") && <button type="button" class="danger" onClick={() => setDoing("delete")}>{of === KEYS ? "Revoke" : "Delete"}</button>}
      </Heading>
      <Panel title={capital(of.one)}>
        <Facts of={[...fields.map((field) => fact(field, row)), ...(of.facts?.(row) ?? []).map(([title, value]) => [title, String(value)] as const), ...more(of, row), ["Created", <Time at={row.created_at} />], ["Changed", <Time at={row.updated_at} />]]} />
      </Panel>
      {of === CUSTOMERS && <Cards ids={row.cards as string[]} />}
      {of === CUSTOMERS && may("transaction_list") && <Panel title="Transactions"><List of={TRANSACTIONS} given={{ customer: String(row._id) }} rows={10} within /></Panel>}
      {of === ORGANISATIONS && <Panel title="Organisations below"><List of={ORGANISATIONS} given={{ parent_id: String(row._id) }} rows={10} within /></Panel>}
      {of === ORGANISATIONS && <Logo row={row} path={path} reload={reload} />}
      {of === ORGANISATIONS && may("key_list") && <Panel title="Encryption keys"><Keys path={`${path}/key`} /></Panel>}
      {of === ORGANISATIONS && <Panel title="Accounts"><List of={ACCOUNTS} given={{ organisation: String(row._id) }} rows={10} within /></Panel>}
      {doing === "change" && <FormDialog title={`Change ${titleOf(row)}`} fields={fields} row={row} path={path} verb="Save" close={close} done={done} />}
      {doing === "secret" && <FormDialog title="New webhook secret" fields={[]} path={`${path}/webhook_secret`} verb="Make it" close={close} done={done}><p>Messages are signed with the new secret and, for 24 hours, with the one before it too.</p></FormDialog>}
      {doing === "rotate" && <FormDialog title={`Rotate ${titleOf(row)}`} fields={ROTATE} path={`${path}/rotate`} verb="Make the next key" close={close} done={done}><p>The next key has the same roles. It is shown once.</p></FormDialog>}
      {doing === "delete" && <Confirm title={`${of === KEYS ? "Revoke" : "Delete"} ${titleOf(row)}?`} verb={of === KEYS ? "Revoke for good" : "Delete for good"} act={remove} close={close}><p>{of.end}</p></Confirm>}
      {made && <Once row={made} close={() => { setMade(undefined); if (made._id !== row._id) go(place(of.noun, made._id)); }} />}
    </>
  );
}

function titleOf(row: Row): string {
  return String(row.name ?? ([row.first_name, row.last_name].filter(Boolean).join(" ") || row.company_name || row._id));
}

/** A field as it stands in the object. */
function fact(field: Field, row: Row): Fact {
  const value = field.name.split(".").reduce<unknown>((at, name) => (typeof at === "object" && at !== null ? (at as Row)[name] : undefined), row);
  if (field.name === "name" || field.kind === "secret" || value === undefined || value === null || value === false) return undefined;
  if (field.name === "expires_at") return [field.label, <Time at={value} />];
  if (field.kind === "reference") return [field.label, <Link to={field.noun ?? ""} id={value} named />];
  if (field.kind === "json") return [field.label, <pre>{JSON.stringify(value, null, 2)}</pre>];
  if (Array.isArray(value)) return [field.label, value.length === 0 ? "None" : <ul class="plain">{value.map((each) => <li key={String(each)}>{field.noun ? <Link to={field.noun} id={each} named /> : String(each)}</li>)}</ul>];
  return [field.label, typeof value === "object" ? <Pairs of={value} /> : String(value)];
}

/** What an object shows that nobody typed. */
function more(of: Kind, row: Row): readonly Fact[] {
  if (of === KEYS) return [["Last used", row.last_used_at ? <Time at={row.last_used_at} /> : "Never"], ["Ends", row.expires_at ? undefined : "Never"]];
  if (of === PROCESSORS) {
    const known = PROCESSORS.fields.map((field) => field.name.split(".")[1]);
    const rest = window.Object.fromEntries(window.Object.entries(row.configuration as Row).filter(([name]) => !known.includes(name)));
    return [["Settings", window.Object.keys(rest).length > 0 ? <Pairs of={rest} /> : undefined]];
  }
  return [];
}

function Cards({ ids }: { ids: readonly string[] }) {
  const { may } = useSession();
  if (!may("card_list")) return null;
  // The list takes so many values of one condition.
  const shown = ids.slice(0, 32);
  return <Panel title="Cards">{shown.length === 0 ? <p class="muted none">No card was paid with yet.</p> : <List of={CARDS} given={{ _id: shown }} rows={32} within />}</Panel>;
}

/** A secret that is never shown again: the dialog ends by its button alone. */
function Once({ row, close }: { row: Row; close(): void }) {
  return (
    <Dialog title="Shown this once" close={close} sticky>
      <p>Copy it now, to where secrets are kept: the vault keeps only what recognises it.</p>
      {ONCE.map(([name, title]) => typeof row[name] === "string" && <p key={name}><strong>{title.charAt(0).toUpperCase() + title.slice(1)}</strong><br /><code class="once">{row[name]}</code> <Copy text={row[name]} what={title} /></p>)}
      <div class="buttons"><button type="button" class="main" onClick={close}>I have copied it</button></div>
    </Dialog>
  );
}
