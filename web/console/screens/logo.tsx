// The picture above an organisation's checkouts.
import { useState } from "preact/hooks";
import { idempotencyKey, type Failure, type Row } from "../api";
import { bytes } from "../format";
import { Facts, Fault, Panel } from "../parts/bits";
import { asFailure, useSession } from "../session";

/** The vault refuses larger ones, and says so; what is far larger is not even read. */
const BYTES_MAX = 1 << 20;

export function Logo({ row, path, reload }: { row: Row; path: string; reload(): void }) {
  const { api, may, notify } = useSession();
  const [failure, setFailure] = useState<Failure>();
  const [busy, setBusy] = useState(false);
  const logo = row.logo as Row | undefined;
  if (!logo && !may("organisation_logo_set")) return null;
  const alone = async (act: () => Promise<unknown>, done: string) => {
    setBusy(true);
    setFailure(undefined);
    try {
      await act();
      notify(done);
      reload();
    } catch (error) {
      setFailure(asFailure(error));
    }
    setBusy(false);
  };
  const send = (event: Event) => {
    const input = event.currentTarget as HTMLInputElement;
    const file = input.files?.[0];
    if (!file) return;
    void alone(async () => {
      if (file.size > BYTES_MAX) throw new Error(`The picture has ${bytes(file.size)}: choose a smaller one.`);
      await api.post(`${path}/logo`, { image: await base64(file) }, idempotencyKey());
    }, "The logo is set").finally(() => (input.value = ""));
  };
  return (
    <Panel title="Logo of checkouts">
      <Fault failure={failure} />
      {logo ? <Facts of={[["Kind", String(logo.media_type)], ["Pixels", `${String(logo.width)} by ${String(logo.height)}`]]} /> : <p class="muted none">Pages of checkouts show none.</p>}
      {may("organisation_logo_set") && <p><label for="logo">PNG or JPEG, at most 64 KiB and 1024 by 1024 pixels</label><br /><input id="logo" type="file" accept="image/png,image/jpeg" disabled={busy} onChange={send} /></p>}
      {logo && may("organisation_logo_delete") && <button type="button" class="danger" disabled={busy} onClick={() => void alone(() => api.remove(`${path}/logo`), "The logo is removed")}>Remove the logo</button>}
    </Panel>
  );
}

async function base64(file: File): Promise<string> {
  const read = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (const byte of read) text += String.fromCharCode(byte);
  return btoa(text);
}
