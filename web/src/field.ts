// One frame of the vault in the page, and the port to it.

import { unavailable, vaultError } from "./errors";
import type { Ask, Hello, Tell, Welcome } from "./protocol";
import type { Bound, Field, FieldEvents, FieldName, FieldOptions, FieldStyle, StyleRules, Tokenized, VaultError, VaultErrorCode } from "./types";
import { version } from "./version";

/** How long a frame may take until it answers. */
const READY_MS_MAX = 10_000;
/** How long a frame that has loaded may be silent until the vault is asked why. */
const SILENT_MS_MAX = 500;
/** How long a frame may take to answer a call: longer than its own request may. */
const CALL_MS_MAX = 45_000;
/** What a field looks like unless the shop says otherwise: as the place that it is in. */
const INHERITED = ["color", "fontFamily", "fontSize", "fontWeight", "letterSpacing", "lineHeight"] as const;

/** Where the frames of a form come from, and how they know one another. */
export interface Place {
  readonly origin: string;
  /** The query that says whose frame it is. */
  readonly caller: string;
  /** In the place of that, of a page of the vault's own origin. */
  readonly apiKey: string | undefined;
  readonly channel: string;
  readonly locale: string;
}

interface Call {
  resolve(result: Tokenized | Bound): void;
  reject(error: VaultError): void;
  timer: number;
}

/** What is there while a field is mounted. */
interface Mounted {
  readonly element: Element;
  readonly frame: HTMLIFrameElement;
  ready: Promise<void>;
  readonly calls: Map<number, Call>;
  port: MessagePort | undefined;
  /** Ends what waits and listens. */
  end(error: VaultError): void;
}

type Listeners = { [Name in keyof FieldEvents]: Set<(event: FieldEvents[Name]) => void> };

export class FrameField implements Field {
  readonly #place: Place;
  readonly #gone: () => void;
  readonly #listeners: Listeners = {
    ready: new Set(),
    change: new Set(),
    focus: new Set(),
    blur: new Set(),
    submit: new Set(),
    error: new Set(),
  };
  #options: FieldOptions;
  #mounted: Mounted | undefined;
  #destroyed = false;

  constructor(readonly name: FieldName, options: FieldOptions, place: Place, gone: () => void) {
    this.#options = plain(options);
    this.#place = place;
    this.#gone = gone;
  }

  mount(place: string | Element): this {
    if (this.#destroyed) throw this.#unavailable("destroyed");
    if (this.#mounted) throw new TypeError("the field is mounted already");
    const element = typeof place === "string" ? document.querySelector(place) : place;
    if (!element?.isConnected) throw new TypeError("there is no such element in the page to mount a field in");
    // Frames find one another among those of the page, and those of a shadow tree are not.
    if (this.name !== "card" && element.getRootNode() !== document) {
      throw new TypeError("in a shadow tree only the combined field, card, can be mounted");
    }
    this.#mounted = this.#open(element);
    // Whoever waits for it hears of it; others have the event.
    this.#mounted.ready.catch(() => {});
    return this;
  }

  update(options: FieldOptions): void {
    this.#options = { ...this.#options, ...plain(options) };
    this.#show();
  }

  clear(): void {
    this.#ask({ do: "clear" });
  }

  focus(): void {
    this.#mounted?.frame.focus();
    this.#ask({ do: "focus" });
  }

  blur(): void {
    this.#ask({ do: "blur" });
  }

  unmount(): void {
    this.#mounted?.end(this.#unavailable("destroyed"));
  }

  destroy(): void {
    this.unmount();
    this.#destroyed = true;
    this.#gone();
  }

  on<Name extends keyof FieldEvents>(name: Name, listener: (event: FieldEvents[Name]) => void): () => void {
    const listeners = this.#listeners[name];
    if (!listeners) throw new TypeError("there is no such event");
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  isMounted(): boolean {
    return this.#mounted !== undefined;
  }

  ready(): Promise<void> {
    return this.#mounted?.ready ?? Promise.reject(this.#unavailable("destroyed"));
  }

  /** Asks for what has an outcome: that of its kind. */
  call<Result extends Tokenized | Bound>(call: number, ask: Ask): Promise<Result> {
    const mounted = this.#mounted;
    if (!mounted?.port) return Promise.reject(this.#unavailable("destroyed"));
    return new Promise((resolve, reject) => {
      const timer = window.setTimeout(() => {
        mounted.calls.delete(call);
        reject(this.#unavailable("network"));
      }, CALL_MS_MAX);
      mounted.calls.set(call, { resolve: (result) => resolve(result as Result), reject, timer });
      this.#ask(ask);
    });
  }

  #open(element: Element): Mounted {
    const { origin, caller, apiKey, channel, locale } = this.#place;
    const frame = document.createElement("iframe");
    frame.src = `${origin}/fields/${version}/frame.html${caller && `?${caller}`}#${channel}.${this.name}.${encodeURIComponent(locale)}`;
    frame.title = this.name;
    frame.referrerPolicy = "no-referrer";
    frame.setAttribute("scrolling", "no");
    // Property by property, so that a page needs no `style-src 'unsafe-inline'`. The frame's document is a light one: of another colour scheme,
    // which `normal` is where the page has a `color-scheme` in its head, the frame would not be transparent.
    Object.assign(frame.style, { border: "0", display: "block", width: "100%", height: "2em", colorScheme: "light" });

    let settle: { resolve(): void; reject(error: VaultError): void } | undefined;
    const ready = new Promise<void>((resolve, reject) => {
      settle = { resolve, reject };
    });
    const listening = new AbortController();
    let silent: number | undefined;
    const fail = (code: VaultErrorCode) => {
      if (!settle) return;
      const error = this.#unavailable(code);
      settle.reject(error);
      stopWaiting();
      this.#emit("error", error);
    };
    const timeout = window.setTimeout(() => fail("frame_blocked"), READY_MS_MAX);
    const stopWaiting = () => {
      clearTimeout(timeout);
      clearTimeout(silent);
      settle = undefined;
    };

    const mounted: Mounted = {
      element,
      frame,
      ready,
      calls: new Map(),
      port: undefined,
      end: (error) => {
        settle?.reject(error);
        stopWaiting();
        listening.abort();
        mounted.port?.close();
        frame.remove();
        this.#mounted = undefined;
        for (const call of [...mounted.calls.keys()]) this.#take(mounted, call)?.reject(error);
      },
    };

    const { signal } = listening;
    // Moved in the page, a frame loads again and is empty: it is greeted again.
    let greeted = false;
    frame.addEventListener("load", () => {
      greeted = true;
      const hello: Hello = { panvault: "hello", channel };
      frame.contentWindow?.postMessage(hello, origin);
      clearTimeout(silent);
      if (settle) silent = window.setTimeout(() => void this.#why(signal).then((code) => code && fail(code)), SILENT_MS_MAX);
    }, { signal });
    window.addEventListener("message", (event: MessageEvent<Partial<Welcome> | null>) => {
      const [port] = event.ports;
      if (event.source !== frame.contentWindow || event.origin !== origin || !greeted || !port) return;
      if (event.data?.panvault !== "welcome" || event.data.channel !== channel) return;
      greeted = false;
      frame.title = String(event.data.title);
      mounted.port?.close();
      for (const call of [...mounted.calls.keys()]) this.#take(mounted, call)?.reject(this.#unavailable("destroyed"));
      mounted.port = port;
      port.onmessage = (told: MessageEvent<Tell>) => this.#hear(mounted, told.data);
      if (apiKey) this.#ask({ do: "identify", key: apiKey });
      this.#show();
      // Also of a frame that came too late to be waited for.
      if (!settle) mounted.ready = Promise.resolve();
      settle?.resolve();
      stopWaiting();
      this.#emit("ready", undefined);
    }, { signal });
    // A label of the page's own cannot point into a frame.
    if (element.id) {
      const labels = document.querySelectorAll(`label[for="${CSS.escape(element.id)}"]`);
      for (const label of labels) label.addEventListener("click", () => this.focus(), { signal });
    }
    // Colours of the place may be others in the dark.
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#show(), { signal });

    element.append(frame);
    return mounted;
  }

  /** Asks the vault what is wrong with key and origin. */
  async #why(signal: AbortSignal): Promise<VaultErrorCode | undefined> {
    try {
      const { origin, caller } = this.#place;
      if (!caller) return undefined;
      const answer = await fetch(`${origin}/fields/check?${caller}`, { credentials: "omit", cache: "no-store", signal });
      const { result } = (await answer.json()) as { result?: unknown };
      return result === "key" || result === "origin" ? result : undefined;
    } catch {
      // The time that a frame has says it in the end.
      return undefined;
    }
  }

  #hear(mounted: Mounted, told: Tell): void {
    switch (told.is) {
      case "change":
        return this.#emit("change", told.event);
      case "height":
        mounted.frame.style.height = `${told.pixels}px`;
        return;
      case "focus":
      case "blur":
      case "submit":
        return this.#emit(told.is, undefined);
      case "done":
        return this.#take(mounted, told.call)?.resolve(told.result);
      case "failed":
        return this.#take(mounted, told.call)?.reject(vaultError(told.failure));
    }
  }

  #take(mounted: Mounted, call: number): Call | undefined {
    const taken = mounted.calls.get(call);
    mounted.calls.delete(call);
    clearTimeout(taken?.timer);
    return taken;
  }

  /** Tells the frame how it is shown. */
  #show(): void {
    const mounted = this.#mounted;
    if (!mounted?.port) return;
    const around = getComputedStyle(mounted.element);
    const inherited: StyleRules = Object.fromEntries(INHERITED.map((property) => [property, around[property]]));
    const style: FieldStyle = { ...this.#options.style, base: { ...inherited, ...this.#options.style?.base } };
    this.#ask({ do: "update", options: { ...this.#options, style } });
  }

  #ask(ask: Ask): void {
    this.#mounted?.port?.postMessage(ask);
  }

  #emit<Name extends keyof FieldEvents>(name: Name, event: FieldEvents[Name]): void {
    for (const listener of [...this.#listeners[name]]) listener(event);
  }

  #unavailable(code: VaultErrorCode): VaultError {
    return unavailable(code, this.#place.locale);
  }
}

/** What can be sent of what a page gives: functions and the like cannot. */
function plain(options: FieldOptions): FieldOptions {
  return JSON.parse(JSON.stringify(options)) as FieldOptions;
}
