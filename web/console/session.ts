// Who is signed in, and what everything on the screen asks of that.
import { createContext } from "preact";
import { useCallback, useContext, useEffect, useRef, useState } from "preact/hooks";
import type { Api, Row } from "./api";
import { Failure } from "./api";

/** What `GET /v1/caller` says of a key. */
export interface Caller {
  readonly api_key: string;
  readonly organisation: string;
  readonly organisation_name: string;
  readonly roles: readonly string[];
  readonly operations: readonly string[];
  readonly mode: string;
}

export interface Session {
  readonly api: Api;
  readonly caller: Caller;
  readonly names: Names;
  /** Whether the key may do this. */
  may(operation: string): boolean;
  /** Says something at the edge of the screen. */
  notify(text: string): void;
  signOut(): void;
}

export const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error("nobody is signed in");
  return session;
}

export interface Loaded<T> {
  readonly value: T | undefined;
  readonly failure: Failure | undefined;
  readonly loading: boolean;
  reload(): void;
}

/** Asks when what it depends on changes; what came before stays until the answer is there, and an answer that is late is dropped. */
export function useLoad<T>(ask: ((signal: AbortSignal) => Promise<T>) | null, on: readonly unknown[]): Loaded<T> {
  const [state, setState] = useState<{ value?: T | undefined; failure?: Failure | undefined; loading: boolean }>({ loading: ask !== null });
  const [round, setRound] = useState(0);
  const current = useRef(ask);
  current.current = ask;
  useEffect(() => {
    const asked = current.current;
    if (!asked) return undefined;
    const aborting = new AbortController();
    setState(({ value }) => ({ value, loading: true }));
    asked(aborting.signal).then(
      (value) => !aborting.signal.aborted && setState({ value, loading: false }),
      (error: unknown) => !aborting.signal.aborted && setState(({ value }) => ({ value, failure: asFailure(error), loading: false })),
    );
    return () => aborting.abort();
  }, [...on, round]);
  const reload = useCallback(() => setRound((last) => last + 1), []);
  return { value: state.value, failure: state.failure, loading: state.loading, reload };
}

/** Calls again every so often while the page is seen. */
export function useEvery(milliseconds: number, call: () => void): void {
  const current = useRef(call);
  current.current = call;
  useEffect(() => {
    if (milliseconds <= 0) return undefined;
    const timer = setInterval(() => document.visibilityState === "visible" && current.current(), milliseconds);
    return () => clearInterval(timer);
  }, [milliseconds]);
}

export function asFailure(error: unknown): Failure {
  return error instanceof Failure ? error : new Failure(error instanceof Error ? error.message : "Something went wrong in this page.");
}

/** So many ids one request may ask for. */
const ASKED_AT_ONCE_MAX = 32;

/** The objects behind ids, asked once for all that a screen shows. */
export class Names {
  readonly #known = new Map<string, Row | null>();
  readonly #waiting = new Map<string, Set<string>>();
  readonly #listeners = new Set<() => void>();
  #due = false;

  constructor(readonly api: Api) {}

  /** The object, or nothing as long as it is not known. */
  of(noun: string, id: string): Row | null | undefined {
    const key = `${noun}/${id}`;
    if (!this.#known.has(key)) {
      const ids = this.#waiting.get(noun) ?? new Set();
      this.#waiting.set(noun, ids.add(id));
      if (!this.#due) queueMicrotask(() => void this.#ask());
      this.#due = true;
    }
    return this.#known.get(key);
  }

  /** What was seen by other ways, or has changed. */
  learn(noun: string, rows: readonly Row[]): void {
    for (const row of rows) this.#known.set(`${noun}/${String(row._id)}`, row);
    for (const listener of this.#listeners) listener();
  }

  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #ask(): Promise<void> {
    this.#due = false;
    for (const [noun, waiting] of [...this.#waiting]) {
      this.#waiting.delete(noun);
      const ids = [...waiting];
      // Asked for now: what does not come is known not to be there.
      for (const id of ids) this.#known.set(`${noun}/${id}`, null);
      for (let at = 0; at < ids.length; at += ASKED_AT_ONCE_MAX) {
        const page = await this.api.list(`/v1/${noun}`, { _id: ids.slice(at, at + ASKED_AT_ONCE_MAX), _count: "none" }).catch(() => null);
        if (page) this.learn(noun, page.rows);
      }
    }
  }
}

/** The object behind an id. */
export function useNamed(noun: string, id: unknown): Row | null | undefined {
  const { names, may } = useSession();
  const [, setRound] = useState(0);
  useEffect(() => names.listen(() => setRound((last) => last + 1)), [names]);
  return typeof id === "string" && may(`${noun}_list`) ? names.of(noun, id) : null;
}
