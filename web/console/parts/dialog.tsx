// A dialog of the browser's own: it holds the focus, ends with Escape, and gives the focus back.
import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Failure } from "../api";
import { asFailure } from "../session";
import { Fault } from "./bits";

interface DialogProps {
  title: string;
  close(): void;
  /** What must not be lost by a key pressed in passing. */
  sticky?: boolean;
  children: ComponentChildren;
}

export function Dialog({ title, close, sticky, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useLayoutEffect(() => {
    const opener = document.activeElement;
    const element = dialog.current;
    element?.showModal();
    return () => {
      element?.close();
      // By hand, for the element may be gone from the page by now, and then the browser gives the focus to nobody.
      if (opener instanceof HTMLElement) opener.focus();
    };
  }, []);
  const cancel = (event: Event) => {
    event.preventDefault();
    if (!sticky) close();
  };
  return (
    <dialog ref={dialog} aria-labelledby={heading} onCancel={cancel}>
      <h2 id={heading}>{title}</h2>
      {children}
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  /** The word on the button. */
  verb: string;
  act(): Promise<void>;
  close(): void;
  children: ComponentChildren;
}

/** Asks before what cannot be undone. */
export function Confirm({ title, verb, act, close, children }: ConfirmProps) {
  const [failure, setFailure] = useState<Failure>();
  const [busy, setBusy] = useState(false);
  const confirm = () => {
    setBusy(true);
    act().then(close, (error: unknown) => {
      setBusy(false);
      setFailure(asFailure(error));
    });
  };
  return (
    <Dialog title={title} close={close}>
      {children}
      <Fault failure={failure} />
      <div class="buttons">
        <button type="button" onClick={close}>Cancel</button>
        <button type="button" class="danger" disabled={busy} onClick={confirm}>{verb}</button>
      </div>
    </Dialog>
  );
}
