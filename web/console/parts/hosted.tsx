// Cards that are typed here go from frames of the vault to the vault: this page never has a digit of them.
import { useEffect, useRef, useState } from "preact/hooks";
import { create, type Field, type FieldName, type Tokenized, type TokenizeOptions, type Vault } from "../../src/panvault";
import { Failure } from "../api";
import { useSession } from "../session";
import { THEME_CHANGED } from "../theme";
import { Fault } from "./bits";
import { Dialog } from "./dialog";

const LABELS: Readonly<Partial<Record<FieldName, string>>> = {
  cardNumber: "Card number",
  cardExpiry: "Expiry date",
  cardCvc: "CVV",
};

export interface Fields {
  tokenize(options?: TokenizeOptions): Promise<Tokenized>;
  updateCvv(card: string): Promise<Tokenized>;
  clear(): void;
}

interface FieldsProps {
  names: readonly FieldName[];
  /** Of a CVV alone: that of its card. */
  brand?: string;
  /** Hears once what can be done with them. */
  made(fields: Fields): void;
  submit?(): void;
}

export function HostedFields({ names, brand, made, submit }: FieldsProps) {
  const { api } = useSession();
  const places = useRef(new Map<FieldName, HTMLElement>());
  const [failure, setFailure] = useState<Failure>();
  const [wrong, setWrong] = useState<Readonly<Record<string, string>>>({});
  const submitting = useRef(submit);
  submitting.current = submit;
  useEffect(() => {
    // In the console's language, which is English.
    const vault: Vault = create({ apiKey: api.exposeKey(), apiBase: location.origin, locale: "en" });
    const fields: Field[] = [];
    for (const [name, element] of places.current) {
      const field = vault.create(name, { style: style(element), ...(brand ? { brand } : {}) });
      field.on("focus", () => element.classList.add("focused"));
      field.on("blur", () => element.classList.remove("focused"));
      field.on("change", ({ error }) => setWrong((last) => ({ ...last, [name]: error?.message ?? "" })));
      field.on("submit", () => submitting.current?.());
      field.on("error", (error) => setFailure(failed(error)));
      fields.push(field.mount(element));
    }
    const restyle = () => places.current.forEach((element, name) => fields.find((field) => field.name === name)?.update({ style: style(element) }));
    window.addEventListener(THEME_CHANGED, restyle);
    made({
      tokenize: (options) => vault.tokenize(options),
      updateCvv: (card) => vault.updateCvv(card),
      clear: () => fields.forEach((field) => field.clear()),
    });
    return () => {
      window.removeEventListener(THEME_CHANGED, restyle);
      vault.destroy();
    };
  }, []);
  return (
    <>
      {names.map((name) => (
        <div class="field" key={name}>
          <label for={`hosted-${name}`}>{LABELS[name]}</label>
          <div class="slot" id={`hosted-${name}`} ref={(element) => { if (element) places.current.set(name, element); }} />
          {wrong[name] && <small class="wrong" aria-hidden="true">{/* A screen reader has it of the frame. */ wrong[name]}</small>}
        </div>
      ))}
      <Fault failure={failure} />
    </>
  );
}

/** Colours that a frame cannot take from the place that it is in. */
function style(element: Element) {
  const colours = getComputedStyle(element);
  return { invalid: { color: colours.getPropertyValue("outline-color") }, placeholder: { color: colours.getPropertyValue("caret-color") } };
}

/** What the fields say, as every other failure is said. */
export function failed(error: unknown): Failure {
  const { message, status, apiCode, requestId } = error as { message: string; status?: number; apiCode?: number; requestId?: string };
  return new Failure(message, status ?? 0, apiCode ?? 0, {}, requestId ?? "");
}

interface HostedDialogProps {
  title: string;
  names: readonly FieldName[];
  brand?: string;
  verb: string;
  act(fields: Fields): Promise<void>;
  close(): void;
}

function HostedDialog({ title, names, brand, verb, act, close }: HostedDialogProps) {
  const fields = useRef<Fields>(undefined);
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure>();
  const run = () => {
    if (!fields.current || busy) return;
    setBusy(true);
    setFailure(undefined);
    act(fields.current).catch((error: unknown) => {
      setBusy(false);
      setFailure(failed(error));
    });
  };
  return (
    <Dialog title={title} close={close}>
      <form onSubmit={(event) => { event.preventDefault(); run(); }}>
        <HostedFields names={names} {...(brand ? { brand } : {})} made={(made) => (fields.current = made)} submit={run} />
        <Fault failure={failure} />
        <div class="buttons">
          <button type="button" onClick={close}>Cancel</button>
          <button class="main" disabled={busy}>{verb}</button>
        </div>
      </form>
    </Dialog>
  );
}

export function NewCard({ close, done }: { close(): void; done(id: string): void }) {
  const names: readonly FieldName[] = ["cardNumber", "cardExpiry", "cardCvc"];
  return <HostedDialog title="Add a card" names={names} verb="Add" close={close} act={async (fields) => done((await fields.tokenize()).token)} />;
}

export function CvvForm({ card, brand, close, done }: { card: string; brand: string; close(): void; done(): void }) {
  return (
    <HostedDialog title="Put a CVV back" names={["cardCvc"]} brand={brand} verb="Put it back" close={close} act={async (fields) => {
      await fields.updateCvv(card);
      done();
    }} />
  );
}
