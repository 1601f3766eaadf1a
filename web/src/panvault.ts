// What a shop's page loads: it makes frames of the vault and tells them what to do. No digit of a card comes by here.

import { unavailable } from "./errors";
import { FrameField, type Place } from "./field";
import { CHANNEL_BYTES } from "./protocol";
import type { Bound, Options, Tokenized, TokenizeOptions, Vault } from "./types";
import { version } from "./version";

export type * from "./types";
export { version };

// Only while the script runs does the page say which one it is.
const script = typeof document === "undefined" ? null : document.currentScript;
const SCRIPT_ORIGIN = script && "src" in script && script.src ? new URL(String(script.src)).origin : undefined;

/** Fields of one card form. */
export function create(options: Options): Vault {
  const { publishableKey: key, organisation, checkout, apiKey } = options;
  const callers = Object.entries({ key, organisation, checkout }).filter((named): named is [string, string] => Boolean(named[1]));
  if (callers.length !== (apiKey ? 0 : 1)) throw new TypeError("either publishableKey, organisation or checkout is needed");
  const base = options.apiBase ?? SCRIPT_ORIGIN;
  if (!base) throw new TypeError("apiBase is needed: the address of the vault");
  const place: Place = {
    origin: new URL(base, location.href).origin,
    caller: new URLSearchParams(callers).toString(),
    apiKey,
    channel: channel(),
    locale: options.locale || document.documentElement.lang || navigator.language,
  };

  const fields = new Set<FrameField>();
  let destroyed = false;

  // Every field that is in the page must be ready, for the one that is asked takes what the others hold.
  async function ask<Result extends Tokenized | Bound>(make: (call: number) => Parameters<FrameField["call"]>[1]): Promise<Result> {
    if (destroyed) throw unavailable("destroyed", place.locale);
    const mounted = [...fields].filter((field) => field.isMounted());
    await Promise.all(mounted.map((field) => field.ready()));
    const [first] = mounted;
    if (!first) throw unavailable("incomplete", place.locale);
    const call = (lastCall += 1);
    return first.call(call, make(call));
  }

  return {
    create(name, fieldOptions = {}) {
      if (destroyed) throw unavailable("destroyed", place.locale);
      const field = new FrameField(name, fieldOptions, place, () => fields.delete(field));
      fields.add(field);
      return field;
    },
    tokenize: (tokenizeOptions = {}) => ask((call) => ({ do: "tokenize", call, options: plain(tokenizeOptions) })),
    bind: () => ask((call) => ({ do: "bind", call })),
    updateCvv: (card, tokenizeOptions = {}) =>
      ask((call) => ({ do: "updateCvv", call, card: String(card), options: plain(tokenizeOptions) })),
    destroy() {
      destroyed = true;
      for (const field of [...fields]) field.destroy();
    },
  };
}

let lastCall = 0;

/** What may be sent of a page's options, whatever else it hung on them. */
function plain({ organisation, idempotencyKey }: TokenizeOptions): TokenizeOptions {
  return {
    ...(organisation === undefined ? {} : { organisation: String(organisation) }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey: String(idempotencyKey) }),
  };
}

/** A name that nobody guesses: frames of one form know one another by it. */
function channel(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(CHANNEL_BYTES));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

