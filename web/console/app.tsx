// Signed in or not.
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Api, type Failure } from "./api";
import { asFailure, Names, SessionContext, type Caller, type Session } from "./session";
import { Shell } from "./shell";
import { SignIn } from "./sign-in";

/** The key of a tab, where one has asked for that. */
const KEPT = "panvault.console.key";
/** PCI DSS 8.2.8: who was away for so long signs in again. */
const IDLE_MINUTES_MAX = 15;
const TOAST_MS = 5000;

interface SignedIn {
  api: Api;
  caller: Caller;
}

export function App() {
  const [signedIn, setSignedIn] = useState<SignedIn>();
  const [failure, setFailure] = useState<Failure>();
  const [said, setSaid] = useState("");
  const [busy, setBusy] = useState(() => sessionStorage.getItem(KEPT) !== null);
  const [toast, setToast] = useState("");

  const signOut = useCallback((why: string) => {
    sessionStorage.removeItem(KEPT);
    setSignedIn(undefined);
    setSaid(why);
  }, []);

  const signIn = useCallback(async (key: string, keep: boolean) => {
    setBusy(true);
    setFailure(undefined);
    setSaid("");
    let isIn = false;
    const api = new Api(key, () => isIn && signOut("This key is not valid any more. Sign in with another."));
    try {
      const caller = await api.read<Caller>("/v1/caller");
      isIn = true;
      if (keep) sessionStorage.setItem(KEPT, key);
      setSignedIn({ api, caller });
    } catch (error) {
      sessionStorage.removeItem(KEPT);
      setFailure(asFailure(error));
    }
    setBusy(false);
  }, []);

  useEffect(() => {
    const kept = sessionStorage.getItem(KEPT);
    if (kept !== null) void signIn(kept, true);
  }, []);

  const isIn = signedIn !== undefined;
  useEffect(() => {
    if (!isIn) return undefined;
    let lastAt = Date.now();
    const here = () => (lastAt = Date.now());
    const events = ["pointerdown", "keydown", "wheel"] as const;
    for (const event of events) window.addEventListener(event, here, { passive: true });
    // By the clock, for timers stand still while a machine sleeps.
    const timer = setInterval(() => Date.now() - lastAt > IDLE_MINUTES_MAX * 60_000 && signOut("You were signed out, because nothing was done for 15 minutes."), 10_000);
    return () => {
      clearInterval(timer);
      for (const event of events) window.removeEventListener(event, here);
    };
  }, [isIn]);

  const hiding = useRef(0);
  const notify = useCallback((text: string) => {
    clearTimeout(hiding.current);
    setToast(text);
    hiding.current = window.setTimeout(() => setToast(""), TOAST_MS);
  }, []);

  const session = useMemo<Session | null>(() => {
    if (!signedIn) return null;
    const operations = new Set(signedIn.caller.operations);
    return { ...signedIn, names: new Names(signedIn.api), may: (operation) => operations.has(operation), notify, signOut: () => signOut("You are signed out.") };
  }, [signedIn]);

  return (
    <SessionContext.Provider value={session}>
      {session ? <Shell /> : <SignIn busy={busy} said={said} failure={failure} signIn={(key, keep) => void signIn(key, keep)} />}
      <div class="toast" role="status" aria-live="polite">{toast && <p>{toast}</p>}</div>
    </SessionContext.Provider>
  );
}
