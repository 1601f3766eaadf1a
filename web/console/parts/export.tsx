// A list as a file, however long: it comes while one goes on working.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Conditions, Failure } from "../api";
import { count } from "../format";
import { asFailure, useSession } from "../session";
import { Fault } from "./bits";
import type { Collection } from "./list";

export function Export({ of, conditions, total }: { of: Collection; conditions: Conditions; total: number | undefined }) {
  const { api, notify } = useSession();
  const [rows, setRows] = useState<number>();
  const [failure, setFailure] = useState<Failure>();
  const aborting = useRef<AbortController>(undefined);
  useEffect(() => () => aborting.current?.abort(), []);

  async function save(): Promise<void> {
    const { signal } = (aborting.current = new AbortController());
    setFailure(undefined);
    setRows(0);
    let shownAt = 0;
    try {
      const blob = await api.csv(of.path, conditions, signal, (rows) => {
        const now = performance.now();
        if (now - shownAt > 100) setRows(rows);
        if (now - shownAt > 100) shownAt = now;
      });
      const url = URL.createObjectURL(blob);
      const link = Object.assign(document.createElement("a"), { href: url, download: `${of.noun}.csv` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 10_000);
      notify(`${of.noun}.csv was saved`);
    } catch (error) {
      if (!signal.aborted) setFailure(asFailure(error));
    }
    setRows(undefined);
  }

  if (rows === undefined) {
    return <span class="export"><button type="button" onClick={() => void save()}>CSV</button><Fault failure={failure} /></span>;
  }
  return (
    <span class="export">
      <progress aria-label="Rows that have come" {...(total ? { value: rows, max: total } : {})} />
      <span class="muted number">{count(rows)} rows</span>
      <button type="button" onClick={() => aborting.current?.abort()}>Stop</button>
    </span>
  );
}
