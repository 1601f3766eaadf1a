// The API, asked with the key of whoever signed in.

/** An object of the API, as it came. */
export type Row = Readonly<Record<string, unknown>>;

/** Conditions of a list: `status` is equal to, `amount>` at least, `amount<` at most. */
export type Conditions = Readonly<Record<string, string | readonly string[]>>;

export interface Page {
  rows: Row[];
  /** How many match, as far as the API counts. */
  total: number | undefined;
  /** Whether there may be more than that. */
  exact: boolean;
}

/** A refusal of the API, or no answer at all: `status` is 0 then. */
export class Failure extends Error {
  constructor(
    message: string,
    readonly status = 0,
    readonly code = 0,
    readonly details: Row = {},
    readonly requestId = "",
  ) {
    super(message);
  }

  /** What is wrong with a field of the body, by its name. */
  field(name: string): string | undefined {
    const told = this.details[`body.${name}`];
    return typeof told === "string" ? told : undefined;
  }
}

const NO_ANSWER = "The vault did not answer. Check the connection, or sign in again at the proxy before it, and try again.";

export class Api {
  // A private field: nothing that looks through objects finds the key.
  readonly #key: string;
  readonly #refused: (failure: Failure) => void;

  constructor(key: string, refused: (failure: Failure) => void) {
    this.#key = key;
    this.#refused = refused;
  }

  /** Hands the key to the frames of hosted fields. */
  exposeKey(): string {
    return this.#key;
  }

  async read<T = Row>(path: string, signal?: AbortSignal): Promise<T> {
    const answer = await this.#ask(path, { signal: signal ?? null });
    return (await body(answer)) as T;
  }

  async list(path: string, conditions: Conditions, signal?: AbortSignal): Promise<Page> {
    const answer = await this.#ask(`${path}?${query(conditions)}`, { signal: signal ?? null });
    const total = answer.headers.get("X-Total-Count");
    return {
      rows: (await body(answer)) as Row[],
      total: total === null ? undefined : Number(total),
      exact: answer.headers.get("X-Total-Count-Exact") !== "false",
    };
  }

  /** Sends a body. The same idempotency key again does nothing twice. */
  async post(path: string, sent: Row, idempotencyKey: string): Promise<Row> {
    const headers = { "Content-Type": "application/json", "Idempotency-Key": idempotencyKey };
    const answer = await this.#ask(path, { method: "POST", headers, body: JSON.stringify(sent) });
    return (await body(answer)) as Row;
  }

  async remove(path: string): Promise<void> {
    await this.#ask(path, { method: "DELETE" });
  }

  /** All of a list as CSV; `progress` hears how many rows have come. */
  async csv(path: string, conditions: Conditions, signal: AbortSignal, progress: (rows: number) => void): Promise<Blob> {
    const answer = await this.#ask(`${path}?${query(conditions)}`, { headers: { Accept: "text/csv" }, signal });
    const reader = answer.body?.getReader();
    if (!reader) throw new Failure(NO_ANSWER);
    const parts: BlobPart[] = [];
    let lines = 0;
    for (;;) {
      // An answer that ends too early is a failure, not a shorter file.
      const { done, value } = await reader.read().catch((error: unknown) => {
        throw signal.aborted ? error : new Failure("The vault ended the list before it was whole. Nothing was saved.");
      });
      if (done) return new Blob(parts, { type: "text/csv" });
      parts.push(value);
      for (const byte of value) if (byte === 10) lines += 1;
      progress(Math.max(0, lines - 1));
    }
  }

  async #ask(path: string, options: RequestInit & { headers?: Record<string, string> }): Promise<Response> {
    const { signal } = options;
    const answer = await fetch(path, {
      ...options,
      // With what an authenticating proxy or a client certificate needs, and with the key in a header alone.
      headers: { ...options.headers, "X-APIKEY": this.#key },
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      referrerPolicy: "no-referrer",
    }).catch((error: unknown) => {
      throw signal?.aborted ? error : new Failure(NO_ANSWER);
    });
    if (answer.ok) return answer;
    const failure = await failed(answer);
    if (answer.status === 401) this.#refused(failure);
    throw failure;
  }
}

export function query(conditions: Conditions): string {
  const pairs = Object.entries(conditions).flatMap(([name, value]) => [value].flat().map((each) => [name, String(each)]));
  return new URLSearchParams(pairs).toString();
}

/** One for each thing that is done. */
export function idempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function body(answer: Response): Promise<unknown> {
  return answer.json().catch(() => {
    throw new Failure("The answer could not be read.", answer.status, 0, {}, answer.headers.get("X-Request-Id") ?? "");
  });
}

async function failed(answer: Response): Promise<Failure> {
  const requestId = answer.headers.get("X-Request-Id") ?? "";
  const told = (await answer.json().catch(() => null)) as Row | null;
  const message = typeof told?.message === "string" ? told.message : `The answer was ${answer.status}, and not the vault's.`;
  const details = typeof told?.details === "object" && told.details !== null ? (told.details as Row) : {};
  return new Failure(message, answer.status, Number(told?.code ?? 0), details, requestId);
}
