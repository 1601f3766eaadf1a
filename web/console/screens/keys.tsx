// Keys that seal and make fingerprints: how old they are, and how far a replacement is. No key is shown.
import type { Row } from "../api";
import { count, words } from "../format";
import { Badge, Fault, Time } from "../parts/bits";
import { useEvery, useLoad, useSession } from "../session";

const EVERY_MS = 5000;

function damaged(key: Row): number {
  return typeof key.rows_damaged === "number" ? key.rows_damaged : 0;
}

/** Nothing but rows that nobody can write anew keeps it. Until a moment that is to come both fingerprints are known, which ends by itself. */
function isStuck(key: Row): boolean {
  const isKnown = typeof key.destroyed_at === "string" && Date.parse(key.destroyed_at) > Date.now();
  return key.state === "open_only" && key.rows_left === 0 && damaged(key) > 0 && !isKnown;
}

export function Keys({ path }: { path: string }) {
  const { api } = useSession();
  const { value, failure, reload } = useLoad((signal) => api.read<Row[]>(path, signal), [path]);
  // A replacement goes on by itself.
  const isMoving = value?.some((key) => key.state === "pre_active" || key.state === "open_only") === true;
  useEvery(isMoving ? EVERY_MS : 0, reload);
  return (
    <>
      <Fault failure={failure} retry={reload} />
      {value?.some(isStuck) && (
        <div class="fault" role="alert">
          <p><strong>A rotation does not end by itself: damaged rows keep the key before.</strong></p>
          <p><code>panvault doctor</code> and <code>key.row_damaged</code> and <code>key.row_not_resealed</code> in the log say which. It goes on within ten minutes once they are put right or gone.</p>
        </div>
      )}
      {value && (
        <div class="scroll" tabIndex={0} role="region" aria-label="Table of encryption keys">
          <table class="stacks">
            <thead><tr>{["Purpose", "Version", "State", "Made", "Active until", "Destroyed or ends", "Rows left", "Damaged"].map((title) => <th key={title} scope="col">{title}</th>)}</tr></thead>
            <tbody>
              {value.map((key) => (
                <tr key={`${String(key.purpose)} ${String(key.version)}`}>
                  <td data-title="Purpose">{words(key.purpose)}</td>
                  <td data-title="Version">{String(key.version)}</td>
                  <td data-title="State"><span><Badge state={key.state} /> {key.overdue === true && <Badge state="overdue" />} {isStuck(key) && <Badge state="stuck" />}</span></td>
                  <td data-title="Made"><Time at={key.created_at} /></td>
                  <td data-title="Active until"><Time at={key.active_until} /></td>
                  <td data-title="Destroyed or ends"><Time at={key.destroyed_at} /></td>
                  <td data-title="Rows left">{typeof key.rows_left === "number" ? count(key.rows_left) : "–"}</td>
                  <td data-title="Damaged">{typeof key.rows_damaged === "number" ? count(key.rows_damaged) : "–"}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}
