// Organisations as a tree, a level at a time: of siblings one is open, so that few rows are in the page however many there are.
import { useState } from "preact/hooks";
import type { Row } from "../api";
import { Badge, Fault, Panel, place } from "../parts/bits";
import { useLoad, useNamed, useSession } from "../session";

/** Of one level, at once. */
const ROWS = 15;

export function Tree() {
  const { caller } = useSession();
  const root = useNamed("organisation", caller.organisation);
  return (
    <Panel title="Tree">
      <ul class="tree"><Node row={root ?? { _id: caller.organisation, name: caller.organisation_name }} open toggle={() => {}} /></ul>
    </Panel>
  );
}

function Node({ row, open, toggle }: { row: Row; open: boolean; toggle(): void }) {
  return (
    <li>
      <button type="button" class="quiet twist" aria-expanded={open} aria-label={`What is below ${String(row.name)}`} onClick={toggle}>{open ? "▾" : "▸"}</button>
      <a href={place("organisation", row._id)}>{String(row.name)}</a> {row.disabled === true && <Badge state="disabled" />}
      {open && <Level parent={String(row._id)} />}
    </li>
  );
}

function Level({ parent }: { parent: string }) {
  const { api, names } = useSession();
  const [before, setBefore] = useState<readonly string[]>([]);
  const [opened, setOpened] = useState<string>();
  const at = before.at(-1);
  const { value, failure, reload } = useLoad(async (signal) => {
    const page = await api.list("/v1/organisation", { parent_id: parent, _count: "none", _limit: String(ROWS + 1), ...(at ? { _after: at } : {}) }, signal);
    names.learn("organisation", page.rows);
    return page.rows;
  }, [parent, at]);
  const shown = value?.slice(0, ROWS) ?? [];
  const move = (next: readonly string[]) => {
    setOpened(undefined);
    setBefore(next);
  };
  return (
    <>
      <Fault failure={failure} retry={reload} />
      {value && shown.length === 0 && <p class="muted none">Nothing is below it.</p>}
      <ul>{shown.map((row) => <Node key={String(row._id)} row={row} open={opened === row._id} toggle={() => setOpened(opened === row._id ? undefined : String(row._id))} />)}</ul>
      {((value?.length ?? 0) > ROWS || before.length > 0) && (
        <p class="buttons start">
          <button type="button" class="small" disabled={before.length === 0} onClick={() => move(before.slice(0, -1))}>Newer</button>
          <button type="button" class="small" disabled={(value?.length ?? 0) <= ROWS} onClick={() => move([...before, String(shown.at(-1)?._id)])}>Older</button>
        </p>
      )}
    </>
  );
}
