// The first screen: an API key, which stays in this tab.
import { useEffect, useRef } from "preact/hooks";
import type { Failure } from "./api";
import { Fault } from "./parts/bits";

interface SignInProps {
  busy: boolean;
  said: string;
  failure: Failure | undefined;
  signIn(key: string, keep: boolean): void;
}

export function SignIn({ busy, said, failure, signIn }: SignInProps) {
  const key = useRef<HTMLInputElement>(null);
  const keep = useRef<HTMLInputElement>(null);
  useEffect(() => {
    document.title = "Sign in · Panvault console";
    key.current?.focus();
  }, []);
  useEffect(() => {
    if (failure) key.current?.select();
  }, [failure]);
  const submit = (event: Event) => {
    event.preventDefault();
    // What is pasted often has spaces or an end of line around it.
    const text = key.current?.value.trim() ?? "";
    if (text === "") return key.current?.focus();
    signIn(text, keep.current?.checked ?? false);
  };
  return (
    <main class="sign-in">
      <form onSubmit={submit} autocomplete="off">
        <p class="brand">Panvault</p>
        <h1>Console</h1>
        {said && <p class="muted" role="status">{said}</p>}
        <label for="key">API key</label>
        <input id="key" ref={key} type="password" autocomplete="off" spellcheck={false} autocapitalize="off" aria-invalid={failure ? true : undefined} aria-describedby="key-about" />
        <small id="key-about" class="muted">The console can do what this key may do, and nothing else. The key stays in the memory of this tab.</small>
        <label class="check"><input ref={keep} type="checkbox" /> Keep it until this tab is closed, over reloads</label>
        <Fault failure={failure} />
        <button class="main" disabled={busy}>{busy ? "Signing in…" : "Sign in"}</button>
      </form>
    </main>
  );
}
