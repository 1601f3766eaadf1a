// How the vault is doing, as it does.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Row } from "../api";
import { bytes, count, duration, words } from "../format";
import { Badge, Facts, Fault, Heading, Panel, Time } from "../parts/bits";
import { Plot } from "../parts/plot";
import { useEvery, useLoad, useSession } from "../session";
import { Keys } from "./keys";

const EVERY_MS = 2000;
const SHOWN_SECONDS = 300;
const SAMPLES_MAX = (SHOWN_SECONDS * 1000) / EVERY_MS;

type Sample = readonly [at: number, status: Row];

export function Overview() {
  const { api, may } = useSession();
  const { value, failure, reload } = useLoad((signal) => api.read("/v1/status", signal), []);
  useEvery(EVERY_MS, reload);
  const [samples, setSamples] = useState<readonly Sample[]>([]);
  const last = useRef<Row>(undefined);
  useEffect(() => {
    if (!value || last.current === value) return;
    last.current = value;
    setSamples((before) => [...before, [Date.now() / 1000, value] as const].slice(-SAMPLES_MAX));
  }, [value]);
  return (
    <>
      <Heading title="Overview" about={value && <>Version {String(value.version)}, up for {duration(Number(value.uptime_seconds))}</>}>
        {value && <Badge state={value.ready ? "ready" : "not ready"} />}
      </Heading>
      <Fault failure={failure} retry={reload} />
      {value && value.ready !== true && <div class="fault" role="alert"><p><strong>The vault is not ready: {String(value.state)}</strong></p></div>}
      {value && <Status of={value} samples={samples} />}
      {may("key_inventory") && <Panel title="Keys of the vault"><Keys path="/v1/key" /></Panel>}
    </>
  );
}

const number = (value: unknown) => (typeof value === "number" ? value : null);

function Status({ of: status, samples }: { of: Row; samples: readonly Sample[] }) {
  const times = samples.map(([at]) => at);
  const series = (label: string, name: string, scale = 1) => ({ label, values: samples.map(([, sample]) => { const value = number(sample[name]); return value === null ? null : value * scale; }) });
  const rate = (label: string, name: string) => ({ label, values: samples.map((_, at) => perSecond(samples, at, name)) });
  const milliseconds = (value: number) => `${value < 10 ? value.toFixed(2) : Math.round(value)} ms`;
  const each = (value: number) => (value < 10 && !Number.isInteger(value) ? value.toFixed(1) : count(Math.round(value)));
  return (
    <>
      <dl class="tiles">
        {([["Cards", "cards"], ["Transactions", "transactions"], ["Refunds", "refunds"], ["CVVs held", "cvvs_held"], ["Organisations", "organisations"], ["Accounts", "accounts"], ["API keys", "api_keys"]] as const).map(([title, name]) => (
          <div key={name}><dt>{title}</dt><dd class="number">{count(status[name])}</dd></div>
        ))}
      </dl>
      <div class="plots">
        {"requests_per_second" in status && <Plot seconds={SHOWN_SECONDS} title="Requests a second" times={times} show={each} series={[series("requests", "requests_per_second")]} />}
        {"latency_p50_microseconds" in status && <Plot seconds={SHOWN_SECONDS} title="Latency" times={times} show={milliseconds} series={[series("p50", "latency_p50_microseconds", 0.001), series("p99", "latency_p99_microseconds", 0.001)]} />}
        <Plot seconds={SHOWN_SECONDS} title="Made a second" times={times} show={each} series={[rate("cards", "cards"), rate("transactions", "transactions")]} />
        <Plot seconds={SHOWN_SECONDS} title="CVVs held" times={times} show={each} series={[series("held", "cvvs_held")]} />
        <Plot seconds={SHOWN_SECONDS} title="Commits behind" times={times} show={each} series={[series("view", "steps_behind"), series("waiting", "steps_waiting")]} />
      </div>
      <div class="columns">
        <Counts title="CVVs" of={{ held: status.cvvs_held, used: status.cvvs_used, put_back: status.cvvs_put_back, expired: status.cvvs_expired }} none="No CVV has come since the start." />
        <Counts title="Refusals since the start" of={status.refusals} none="Nothing was refused." label={(code) => `Code ${code}`} />
        <Counts title="Transactions by status, the newest 1,000" of={status.transactions_recent} none="There are none yet." />
        <Nodes of={status} />
        <Panel title="Vault">
          <Facts of={[
            ["Mode", words(status.mode)],
            ["Since", <Time at={status.started_at} />],
            ["On the disk", typeof status.disk_bytes === "number" ? bytes(status.disk_bytes) : undefined],
            ["Database", status.database as string],
            ["Replication", status.replication ? words(status.replication) : undefined],
            ["Certificate ends", status.certificate_expires_at ? <Time at={status.certificate_expires_at} /> : undefined],
            ["Swept", <Time at={status.swept_at} />],
            ["Issuers known", typeof status.bin_table_rows === "number" && status.bin_table_rows > 0 ? `${count(status.bin_table_rows)} ranges` : "Test cards only, or none: import a list with panvault bin import"],
            ["List of issuers", typeof status.bin_table_age_seconds === "number" ? `${duration(status.bin_table_age_seconds)} old` : undefined],
            ["Damaged organisations", status.organisations_damaged ? count(status.organisations_damaged) : undefined],
          ]} />
        </Panel>
      </div>
      <Faults of={status.faults} />
    </>
  );
}

/** How fast a count grew since the sample before. */
function perSecond(samples: readonly Sample[], at: number, name: string): number | null {
  const [now, before] = [samples[at], samples[at - 1]];
  if (!now || !before) return null;
  const grown = Number(now[1][name]) - Number(before[1][name]);
  return Number.isFinite(grown) ? Math.max(0, grown / (now[0] - before[0])) : null;
}

interface CountsProps {
  title: string;
  of: unknown;
  none: string;
  label?(name: string): string;
}

/** Counts by name, as bars that the largest fills. Not shown where the vault does not say them. */
function Counts({ title, of, none, label = words }: CountsProps) {
  if (typeof of !== "object" || of === null) return null;
  const counts = Object.entries(of as Row).filter((entry): entry is [string, number] => typeof entry[1] === "number" && entry[1] > 0).sort(([, one], [, other]) => other - one);
  const most = counts[0]?.[1] ?? 1;
  return (
    <Panel title={title}>
      {counts.length === 0 && <p class="muted none">{none}</p>}
      <dl class="bars">{counts.map(([name, value]) => <div key={name}><dt>{label(name)}</dt><dd><meter min={0} max={most} value={value} aria-hidden="true" /><span class="number">{count(value)}</span></dd></div>)}</dl>
    </Panel>
  );
}

function Nodes({ of: status }: { of: Row }) {
  const nodes = status.nodes as readonly string[] | undefined;
  if (!nodes) return null;
  const leases = (status.nodes_lease_seconds ?? []) as readonly number[];
  const lost = (status.nodes_lost ?? []) as readonly string[];
  return (
    <Panel title="Nodes">
      <ul class="plain">
        {nodes.map((node, at) => <li key={node}><code>{node}</code> {node === status.node && "this one"} {node === status.node_on_duty && <span class="badge">on duty</span>} <span class="muted">lease {leases[at] ?? "–"} s</span></li>)}
        {lost.map((node) => <li key={node}><code>{node}</code> <Badge state="expired" /></li>)}
      </ul>
    </Panel>
  );
}

function Faults({ of }: { of: unknown }) {
  if (!Array.isArray(of)) return null;
  const faults = of as readonly Row[];
  return (
    <Panel title="Last faults">
      {faults.length === 0 && <p class="muted none">No warning and no error since the start.</p>}
      <ol class="timeline">
        {faults.map((fault, at) => (
          <li key={at}>
            <Time at={fault.at} /> <Badge state={fault.level} /> <code>{String(fault.event)}</code>
            {fault.request ? <span class="muted"> in request <code>{String(fault.request)}</code></span> : null}
            {fault.advice ? <p class="muted">{String(fault.advice)}</p> : null}
          </li>
        ))}
      </ol>
    </Panel>
  );
}
