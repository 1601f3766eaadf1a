// The document of every frame: the vault's own page inside the shop's. Which field it is, and of which form, stands in the fragment.

import { languageOf } from "../languages";
import type { Ask, Failure, Hello, Tell, Welcome } from "../protocol";
import type { FieldEvent, FieldName, FieldOptions } from "../types";
import type { Caller, Outcome } from "./api";
import { bind, tokenize, updateCvv } from "./card";
import { wholeCard } from "./number";
import { Part, type Around, type Kind } from "./part";
import { family, join, type Sibling } from "./siblings";
import { show } from "./style";
import { TEXTS } from "./texts";

const KINDS: Readonly<Record<FieldName, readonly Kind[]>> = {
  cardNumber: ["number"],
  cardExpiry: ["expiry"],
  cardCvc: ["cvc"],
  cardHolder: ["holder"],
  card: ["number", "expiry", "cvc"],
};

const [channel = "", name = "", locale = ""] = location.hash.slice(1).split(".");
if (channel !== "" && isField(name) && window.parent !== window) start(name);

function isField(text: string): text is FieldName {
  return Object.keys(KINDS).includes(text);
}

function start(field: FieldName): void {
  const language = languageOf(decodeURIComponent(locale));
  const texts = TEXTS[language];
  const query = new URLSearchParams(location.search);
  let caller: Caller = { key: query.get("key"), organisation: query.get("organisation"), checkout: query.get("checkout") };
  let options: FieldOptions = {};
  let port: MessagePort | undefined;
  let isOwn = false;
  let last: FieldEvent = { field, empty: true, complete: false, error: null, brand: null };

  const around: Around = {
    texts,
    brand: () => brandOf(family(own)) ?? (typeof options.brand === "string" ? options.brand : null),
    brands: () => (Array.isArray(options.brands) ? options.brands : undefined),
    optional: () => options.optional === true,
    now: () => new Date(),
    changed: () => {
      refresh();
      // The CVV of a card has as many digits as its brand says.
      if (parts.some((part) => part.kind === "number")) for (const sibling of family(own)) if (sibling !== own) sibling.refresh();
    },
  };
  const parts = KINDS[field].map((kind) => new Part(kind, around));
  const own: Sibling = { channel, parts, refresh };

  function tell(told: Tell): void {
    port?.postMessage(told);
  }

  function refresh(): void {
    for (const part of parts) part.show(options);
    const states = parts.map((part) => part.state());
    const now: FieldEvent = {
      field,
      empty: states.every((state) => state.empty),
      complete: states.every((state) => state.complete),
      error: states.find((state) => state.error)?.error ?? null,
      brand: brandOf([own]),
    };
    // Once for each change of it: how many keys were pressed does not show.
    if (JSON.stringify(now) === JSON.stringify(last)) return;
    last = now;
    tell({ is: "change", event: now });
  }

  function hear(ask: Ask): void {
    switch (ask.do) {
      case "identify":
        // A page of another origin has its key in the address, where the vault has looked at it.
        if (isOwn) caller = { key: ask.key, organisation: null, checkout: null, isOwn };
        return;
      case "update":
        options = ask.options ?? {};
        show(options.style);
        for (const part of parts) {
          const alone = parts.length === 1;
          part.name(alone ? options.placeholder : undefined, alone ? options.ariaLabel : undefined);
        }
        return refresh();
      case "clear":
        for (const part of parts) part.clear();
        return;
      case "focus":
        // The page gives the frame the focus, and the frame hands it on: two who move it race.
        if (document.hasFocus()) return parts[0]?.input.focus();
        return window.addEventListener("focus", () => parts[0]?.input.focus(), { once: true });
      case "blur":
        for (const part of parts) part.input.blur();
        return;
      case "tokenize":
        return void tokenize(own, caller, ask.options, texts).then((outcome) => answer(ask.call, outcome));
      case "bind":
        return void bind(own, caller, texts).then((outcome) => answer(ask.call, outcome));
      case "updateCvv":
        return void updateCvv(own, caller, ask.card, ask.options, texts).then((outcome) => answer(ask.call, outcome));
    }
  }

  function answer(call: number, outcome: Outcome): void {
    if ("result" in outcome) return tell({ is: "done", call, result: outcome.result });
    const failure: Failure = { ...outcome.failure };
    tell({ is: "failed", call, failure });
  }

  document.documentElement.lang = language;
  document.title = field === "card" ? texts.card : texts[KINDS[field][0] ?? "number"];
  const form = document.createElement("div");
  form.className = "field";
  form.setAttribute("role", "group");
  form.setAttribute("aria-label", document.title);
  form.append(...parts.map((part) => part.element));
  document.body.append(form);

  form.addEventListener("focusin", (event) => {
    if (!(event.relatedTarget instanceof Node && form.contains(event.relatedTarget))) tell({ is: "focus" });
  });
  form.addEventListener("focusout", (event) => {
    if (!(event.relatedTarget instanceof Node && form.contains(event.relatedTarget))) tell({ is: "blur" });
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.isComposing) tell({ is: "submit" });
  });
  // A card that was copied whole fills the other fields too.
  form.addEventListener("paste", (event) => {
    const card = wholeCard(event.clipboardData?.getData("text/plain") ?? "");
    if (!card || !(event.target instanceof HTMLInputElement) || event.target.id !== "number") return;
    event.preventDefault();
    const texts: Readonly<Partial<Record<Kind, string>>> = { number: card.number, expiry: card.expiry, cvc: card.cvc };
    for (const sibling of family(own)) {
      for (const part of sibling.parts) {
        const text = texts[part.kind];
        if (text) part.fill(text);
      }
    }
  });
  new ResizeObserver(() => tell({ is: "height", pixels: Math.ceil(form.getBoundingClientRect().height) })).observe(form);

  join(own);
  refresh();
  greet(channel, document.title, (opened, own) => {
    port = opened;
    isOwn = own;
    port.onmessage = (event: MessageEvent<Ask | null>) => event.data && hear(event.data);
    tell({ is: "height", pixels: Math.ceil(form.getBoundingClientRect().height) });
  });
}

function brandOf(siblings: readonly Sibling[]): string | null {
  for (const { parts } of siblings) {
    for (const part of parts) if (part.kind === "number") return part.brand();
  }
  return null;
}

/** Waits for the page's one greeting, and answers it with a port. Who is not the parent, or not of the key's origins, gets nothing. */
function greet(channel: string, title: string, welcome: (port: MessagePort, isOwn: boolean) => void): void {
  const meta = document.querySelector<HTMLMetaElement>('meta[name="panvault-origins"]');
  // Of the vault's own pages, whichever name a proxy gives to their origin.
  const isOwn = meta?.content === "self";
  const origins = isOwn ? [location.origin] : (meta?.content ?? "").split(" ").filter((origin) => origin !== "");
  const listen = (event: MessageEvent<Partial<Hello> | null>) => {
    if (event.source !== window.parent || !origins.includes(event.origin)) return;
    if (event.data?.panvault !== "hello" || event.data.channel !== channel) return;
    window.removeEventListener("message", listen);
    const { port1, port2 } = new MessageChannel();
    welcome(port1, isOwn);
    const answer: Welcome = { panvault: "welcome", channel, title };
    window.parent.postMessage(answer, event.origin, [port2]);
  };
  window.addEventListener("message", listen);
}
