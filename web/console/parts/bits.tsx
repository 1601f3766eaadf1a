// Small pieces that every screen is made of.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Failure, Row } from "../api";
import { duration, localTime, money, words } from "../format";
import { href } from "../route";
import { useNamed, useSession } from "../session";

/** Where it is known, the place that shows an object of this noun. */
const PLACES: Readonly<Record<string, readonly string[]>> = {
  card: ["cards"],
  transaction: ["transactions"],
  refund: ["refunds"],
  checkout: ["checkouts"],
  organisation: ["setup", "organisations"],
  account: ["setup", "accounts"],
  processor: ["setup", "processors"],
  customer: ["setup", "customers"],
  apikey: ["setup", "keys"],
};

export function place(noun: string, id: unknown): string {
  return href([...(PLACES[noun] ?? []), String(id)]);
}

/** A link to an object by its name, or by its id where it has none or may not be read. */
export function Link({ to: noun, id, named }: { to: string; id: unknown; named?: boolean }) {
  const { may } = useSession();
  const row = useNamed(noun, named ? id : undefined);
  if (typeof id !== "string") return <>–</>;
  const text = typeof row?.name === "string" ? row.name : <code>{id}</code>;
  return may(`${noun}_read`) ? <a class={named ? "name" : undefined} href={place(noun, id)}>{text}</a> : <span class={named ? "name" : undefined}>{text}</span>;
}

export function Copy({ text, what }: { text: string; what: string }) {
  const { notify } = useSession();
  const copy = () => navigator.clipboard.writeText(text).then(() => notify(`The ${what} was copied`), () => notify("The browser did not allow copying: select the text instead"));
  return <button type="button" class="quiet copy" onClick={() => void copy()} aria-label={`Copy ${what}`}>Copy</button>;
}

export function Id({ id, what = "id" }: { id: unknown; what?: string }) {
  return <span class="id"><code>{String(id)}</code> <Copy text={String(id)} what={what} /></span>;
}

export function Time({ at }: { at: unknown }) {
  if (typeof at !== "string") return <>–</>;
  // Where there is little room, the line ends between day and hour and nowhere else.
  const [day, hour] = localTime(at).split(" ");
  return <time dateTime={at} title={at}><span>{day}</span> <span>{hour}</span></time>;
}

/** What is left until a moment, second by second. */
export function Clock({ until, over }: { until: string; over: string }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const left = (Date.parse(until) - now) / 1000;
  return <span class="number" title={until}>{left > 0 ? duration(left) : over}</span>;
}

const GOOD = ["AUTHORIZED", "SETTLEMENT_REQUESTED", "SETTLEMENT_SUBMITTED", "SETTLEMENT_PARTIAL", "SETTLEMENT_COMPLETED", "PROCESSED", "DELIVERED", "ready", "held", "verified", "completed", "active"];
const BAD = ["DECLINED", "FAILED", "UNAVAILABLE", "NOT_SUPPORTED", "not ready", "disabled", "expired", "failed", "broken", "error", "overdue", "stuck"];
const OPEN = ["UNKNOWN", "PENDING", "INITIATED", "WAITING", "processing", "warn"];

/** A state, told by its word and, beside that, by its colour. */
export function Badge({ state }: { state: unknown }) {
  const text = String(state);
  const tone = GOOD.includes(text) ? "good" : BAD.includes(text) ? "bad" : OPEN.includes(text) ? "open" : "";
  return <span class={`badge ${tone}`}>{words(text)}</span>;
}

export function Amount({ of, currency }: { of: unknown; currency: unknown }) {
  return <span class="number">{money(of, currency)}</span>;
}

export function Fault({ failure, retry }: { failure: Failure | undefined; retry?: () => void }) {
  if (!failure) return null;
  const details = Object.entries(failure.details);
  return (
    <div class="fault" role="alert">
      <p><strong>{failure.message}</strong></p>
      {details.length > 0 && (
        <dl>{details.map(([name, told]) => <div key={name}><dt><code>{name}</code></dt><dd>{typeof told === "string" ? told : JSON.stringify(told)}</dd></div>)}</dl>
      )}
      {failure.status > 0 && (
        <p class="muted">
          Code {failure.code || "–"} · HTTP {failure.status}{failure.requestId && <> · Request <code>{failure.requestId}</code></>}
        </p>
      )}
      {retry && <button type="button" onClick={retry}>Try again</button>}
    </div>
  );
}

export type Fact = readonly [title: string, value: ComponentChildren] | false | undefined;

/** What is known of an object, without what is not. */
export function Facts({ of }: { of: readonly Fact[] }) {
  const known = of.filter((fact): fact is readonly [string, ComponentChildren] => Boolean(fact) && fact !== undefined && fact !== false && fact[1] !== undefined && fact[1] !== null && fact[1] !== "");
  return <dl class="facts">{known.map(([title, value]) => <div key={title}><dt>{title}</dt><dd>{value}</dd></div>)}</dl>;
}

/** What an object has that is not named otherwise, such as pairs of its owner's own. */
export function Pairs({ of }: { of: unknown }) {
  const pairs = Object.entries((of ?? {}) as Row);
  if (pairs.length === 0) return <>–</>;
  return <ul class="pairs">{pairs.map(([name, value]) => <li key={name}><code>{name}</code> {typeof value === "string" ? value : JSON.stringify(value)}</li>)}</ul>;
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return <div class="empty"><p><strong>{title}</strong></p>{children}</div>;
}

export function Heading({ title, about, children }: { title: ComponentChildren; about?: ComponentChildren; children?: ComponentChildren }) {
  return (
    <header class="heading">
      <div><h1 tabIndex={-1}>{title}</h1>{about && <p class="muted">{about}</p>}</div>
      <div class="actions">{children}</div>
    </header>
  );
}

export function Panel({ title, children, actions }: { title: string; children: ComponentChildren; actions?: ComponentChildren }) {
  return (
    <section class="panel">
      <header><h2>{title}</h2>{actions && <div class="actions">{actions}</div>}</header>
      {children}
    </section>
  );
}
