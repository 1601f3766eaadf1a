// Set-up: a section for each kind of object, and what is no object.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Failure, type Row } from "../api";
import { count, duration } from "../format";
import { Facts, Fault, Heading, Panel, Time } from "../parts/bits";
import { List } from "../parts/list";
import { href } from "../route";
import { asFailure, useLoad, useSession } from "../session";
import { ACCOUNTS, CUSTOMERS, DELIVERIES, KEYS, ORGANISATIONS, PROCESSORS } from "../tables/setup";
import { Objects } from "./objects";
import { Tree } from "./tree";

/** Of a card number, so many are looked up and no more. */
const DIGITS_MAX = 11;

interface Section {
  readonly path: string;
  readonly title: string;
  readonly needs: string;
  show(id: string | undefined): JSX.Element;
}

export const SETUP_SECTIONS: readonly Section[] = [
  { path: "organisations", title: "Organisations", needs: "organisation_list", show: (id) => <Objects of={ORGANISATIONS} id={id} before={<Tree />} /> },
  { path: "accounts", title: "Accounts", needs: "account_list", show: (id) => <Objects of={ACCOUNTS} id={id} /> },
  { path: "processors", title: "Processors", needs: "processor_list", show: (id) => <Objects of={PROCESSORS} id={id} /> },
  { path: "customers", title: "Customers", needs: "customer_list", show: (id) => <Objects of={CUSTOMERS} id={id} /> },
  { path: "keys", title: "API keys", needs: "apikey_list", show: (id) => <Objects of={KEYS} id={id} /> },
  { path: "webhooks", title: "Webhooks", needs: "webhook_delivery_list", show: () => <Deliveries /> },
  { path: "issuers", title: "Issuers", needs: "bin_read", show: () => <Issuers /> },
];

export function Setup({ rest: [path, id] }: { rest: readonly string[] }) {
  const { may } = useSession();
  const sections = SETUP_SECTIONS.filter(({ needs }) => may(needs));
  const section = path === undefined ? sections[0] : sections.find((each) => each.path === path);
  return (
    <>
      <nav class="tabs" aria-label="Set-up">
        <ul>{sections.map((each) => <li key={each.path}><a href={href(["setup", each.path])} aria-current={each === section ? "page" : undefined}>{each.title}</a></li>)}</ul>
      </nav>
      <div key={`${section?.path}/${id ?? ""}`}>{section ? section.show(id) : <Heading title="There is no such section" />}</div>
    </>
  );
}

function Deliveries() {
  const { api, may, notify } = useSession();
  const [failure, setFailure] = useState<Failure>();
  const retry = (row: Row, reload: () => void) => {
    setFailure(undefined);
    api.post(`/v1/webhook_delivery/${String(row._id)}/retry`, {}, crypto.randomUUID()).then(
      () => {
        notify("It is sent again");
        reload();
      },
      (error: unknown) => setFailure(asFailure(error)),
    );
  };
  return (
    <>
      <Heading title="Webhooks" about="What receivers were told, the newest first. URLs and secrets stand with the accounts." />
      <Fault failure={failure} />
      <List of={DELIVERIES} every={5} {...(may("webhook_delivery_retry") ? { actions: (row: Row, reload: () => void) => row.status !== "WAITING" && <button type="button" class="small" onClick={() => retry(row, reload)}>Send again</button> } : {})} />
    </>
  );
}

/** Who issued cards that begin so. */
function Issuers() {
  const { api } = useSession();
  const [found, setFound] = useState<Row>();
  const [failure, setFailure] = useState<Failure>();
  const [busy, setBusy] = useState(false);
  async function look(event: Event): Promise<void> {
    event.preventDefault();
    const typed = new FormData(event.currentTarget as HTMLFormElement).get("digits");
    const digits = String(typed).replaceAll(/\s/g, "");
    // A whole number never goes into an address.
    if (digits.length > DIGITS_MAX) return setFailure(new Failure(`At most ${DIGITS_MAX} digits are looked up, never a whole card number.`));
    setBusy(true);
    setFailure(undefined);
    setFound(undefined);
    try {
      setFound(await api.read(`/v1/bin/${encodeURIComponent(digits)}`));
    } catch (error) {
      setFailure(asFailure(error));
    }
    setBusy(false);
  }
  return (
    <>
      <Heading title="Issuers" about="Who issued the cards whose numbers begin so, as the vault's list has it." />
      <form class="filters" role="search" onSubmit={(event) => void look(event)}>
        <div><label for="digits">First 6 to 11 digits</label><input id="digits" name="digits" inputMode="numeric" autocomplete="off" maxLength={DIGITS_MAX} required /></div>
        <button class="main" disabled={busy}>Look up</button>
      </form>
      {failure?.status === 404 ? <p>Nothing is known of these digits, not even the brand.</p> : <Fault failure={failure} />}
      {found && (
        <Panel title={`Cards that begin with ${String(found.bin)}`}>
          <Facts of={(["brand", "issuer_name", "issuer_country", "currency", "type", "variant"] as const).map((name) => [TITLES[name], String(found[name] ?? "Not known")] as const)} />
        </Panel>
      )}
      <IssuersAge />
    </>
  );
}

const TITLES = { brand: "Brand", issuer_name: "Issuer", issuer_country: "Country", currency: "Currency", type: "Type", variant: "Variant" } as const;

/** How old the list is, to whom the vault says how it is doing. */
function IssuersAge() {
  const { api, may } = useSession();
  const { value } = useLoad(may("status_read") ? (signal) => api.read("/v1/status", signal) : null, []);
  if (!value) return null;
  return (
    <Panel title="The list">
      <Facts of={[
        ["Ranges", count(value.bin_table_rows)],
        ["Imported", value.bin_table_imported_at ? <Time at={value.bin_table_imported_at} /> : "Never: the vault knows test cards only, or none"],
        ["Age", typeof value.bin_table_age_seconds === "number" ? duration(value.bin_table_age_seconds) : undefined],
      ]} />
      <p class="muted">A newer list is imported on the vault's machine: <code>panvault bin import</code>.</p>
    </Panel>
  );
}
