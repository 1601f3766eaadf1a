// One input: a part of a card. What is typed stays in it until the frame sends it to the vault.

import { HOLDER_BYTES_MAX, HOLDER_BYTES_MIN } from "../schemes";
import type { FieldError, FieldOptions } from "../types";
import { layOut, type Layout } from "./editor";
import * as expiry from "./expiry";
import { brandOf, cvcDigits, digitsMax, digitsMin, digitsOf, digitsUsual, isNumber, spaced } from "./number";
import type { Texts } from "./texts";

export type Kind = "number" | "expiry" | "cvc" | "holder";

/** What is known of a part, without what was typed. */
export interface PartState {
  empty: boolean;
  complete: boolean;
  error: FieldError | null;
}

/** What a part must know of the others. */
export interface Around {
  texts: Texts;
  /** The brand of the card, as far as it is known. */
  brand(): string | null;
  /** Brands that the shop takes. */
  brands(): readonly string[] | undefined;
  /** Whether a name may be left out. */
  optional(): boolean;
  now(): Date;
  changed(): void;
}

type Fault = FieldError["code"];
/** Of a part: no fault, or one that is told at once or when the part is left. */
type Verdict = { complete: boolean; fault: Fault | null; atOnce: boolean };

const INCOMPLETE: Readonly<Record<Kind, keyof Texts>> = {
  number: "numberIncomplete",
  expiry: "expiryIncomplete",
  cvc: "cvcIncomplete",
  holder: "holderIncomplete",
};
const INVALID: Readonly<Record<Kind, keyof Texts>> = {
  number: "numberInvalid",
  expiry: "expiryInvalid",
  cvc: "cvcIncomplete",
  holder: "holderInvalid",
};
const AUTOCOMPLETE: Readonly<Record<Kind, AutoFill>> = { number: "cc-number", expiry: "cc-exp", cvc: "cc-csc", holder: "cc-name" };
const PLACEHOLDERS: Readonly<Record<Kind, (texts: Texts) => string>> = {
  number: () => "1234 1234 1234 1234",
  expiry: (texts) => texts.expiryPlaceholder,
  cvc: () => "CVC",
  holder: () => "",
};
/** How long a field must be without the focus until it counts as left. */
const LEFT_MS = 1000;
const HOLDER = /^[\p{Alphabetic}0-9 .',&/()-]+$/u;

export class Part {
  readonly element = document.createElement("div");
  readonly input = document.createElement("input");
  readonly #label = document.createElement("label");
  readonly #error = document.createElement("div");
  readonly #badge = document.createElement("div");
  /** Left, or asked for, since it last changed: only now is it told what lacks. */
  #settled = false;
  /** Asked for: now even nothing is too little. */
  #wanted = false;
  /** Left by whoever types. The page can take the focus away too, but not for long without being noticed. */
  #left = false;
  #leaving: number | undefined;

  constructor(readonly kind: Kind, readonly around: Around) {
    const { element, input } = this;
    element.className = `part ${kind}`;
    input.id = kind;
    input.name = kind;
    input.type = "text";
    input.autocomplete = AUTOCOMPLETE[kind];
    input.inputMode = kind === "holder" ? "text" : "numeric";
    input.spellcheck = false;
    input.setAttribute("autocorrect", "off");
    input.setAttribute("autocapitalize", kind === "holder" ? "words" : "off");
    input.setAttribute("aria-describedby", `${kind}-error`);
    input.placeholder = PLACEHOLDERS[kind](around.texts);
    this.#label.htmlFor = kind;
    this.#label.textContent = around.texts[kind];
    this.#error.id = `${kind}-error`;
    this.#error.className = "error";
    this.#error.setAttribute("aria-live", "polite");
    this.#badge.className = "brand";
    this.#badge.setAttribute("aria-hidden", "true");
    element.append(this.#label, input, ...(kind === "number" ? [this.#badge] : []), this.#error);

    const edited = () => {
      this.#settled = false;
      this.#wanted = false;
      this.#left = false;
      around.changed();
    };
    const layout = this.#layout();
    if (layout) layOut(input, layout, edited);
    else input.addEventListener("input", edited);
    input.addEventListener("keydown", (event) => {
      if (event.key === "Tab" || event.key === "Enter") this.#left = true;
    });
    input.addEventListener("focus", () => clearTimeout(this.#leaving));
    input.addEventListener("blur", () => {
      this.#settled = true;
      clearTimeout(this.#leaving);
      this.#leaving = window.setTimeout(() => {
        this.#left = true;
        around.changed();
      }, LEFT_MS);
      around.changed();
    });
  }

  /** Puts in what was pasted elsewhere. */
  fill(text: string): void {
    this.input.value = this.#layout()?.(text, false) ?? text;
    this.#settled = true;
    this.#left = true;
    this.around.changed();
  }

  clear(): void {
    this.input.value = "";
    this.#settled = false;
    this.#wanted = false;
    this.#left = false;
    this.around.changed();
  }

  /** From now on it says what lacks. */
  want(): PartState {
    this.#settled = true;
    this.#wanted = true;
    this.around.changed();
    return this.state();
  }

  brand(): string | null {
    return this.kind === "number" ? brandOf(digitsOf(this.input.value)) : null;
  }

  /** As the vault takes it. */
  value(): string {
    return this.kind === "number" || this.kind === "cvc" ? digitsOf(this.input.value) : this.input.value.trim();
  }

  expiry(): expiry.Expiry {
    return expiry.parse(this.input.value);
  }

  state(): PartState {
    const empty = this.input.value === "";
    const { complete, fault, atOnce } = this.#verdict();
    const tells = fault !== null && (atOnce || (this.#settled && (this.#wanted || !empty)));
    return { empty, complete, error: tells ? { code: fault, message: this.#message(fault) } : null };
  }

  /** Shows what the state is. */
  show(options: FieldOptions): void {
    const { input } = this;
    const { empty, complete, error } = this.state();
    this.element.classList.toggle("is-empty", empty);
    this.element.classList.toggle("is-complete", complete);
    this.element.classList.toggle("is-invalid", error !== null);
    input.setAttribute("aria-invalid", String(error !== null));
    const message = error?.message ?? "";
    // A text that is written again is read aloud again.
    if (this.#error.textContent !== message) this.#error.textContent = message;
    input.disabled = options.disabled === true;
    const brand = this.brand() ?? "";
    if (this.kind === "number" && (this.#badge.textContent ?? "") !== brand) {
      this.#badge.replaceChildren(...(brand === "" ? [] : [document.createElement("span")]));
      if (this.#badge.firstChild) this.#badge.firstChild.textContent = brand;
    }
  }

  /** The shop's own words. */
  name(placeholder: string | undefined, ariaLabel: string | undefined): void {
    this.input.placeholder = placeholder ?? PLACEHOLDERS[this.kind](this.around.texts);
    this.#label.textContent = ariaLabel ?? this.around.texts[this.kind];
  }

  #layout(): Layout | undefined {
    switch (this.kind) {
      case "number":
        return (text) => {
          const digits = digitsOf(text);
          return spaced(digits.slice(0, digitsMax(digits)));
        };
      case "expiry":
        return expiry.shown;
      case "cvc":
        return (text) => digitsOf(text).slice(0, cvcDigits(this.around.brand())[1]);
      case "holder":
        return undefined;
    }
  }

  #verdict(): Verdict {
    const { value } = this.input;
    switch (this.kind) {
      case "number":
        return this.#numberVerdict(digitsOf(value));
      case "expiry": {
        const state = expiry.stateOf(value, this.around.now());
        if (state === "complete") return { complete: true, fault: null, atOnce: false };
        // Of a year of four digits the first two are no year yet.
        return { complete: false, fault: state === "empty" ? "incomplete" : state, atOnce: false };
      }
      case "cvc": {
        const [min, max] = cvcDigits(this.around.brand());
        const { length } = digitsOf(value);
        const complete = min <= length && length <= max;
        return { complete, fault: complete ? null : length > max ? "invalid" : "incomplete", atOnce: false };
      }
      case "holder": {
        const name = value.trim();
        if (name === "" && this.around.optional()) return { complete: true, fault: null, atOnce: false };
        const bytes = bytesOf(name);
        const complete = bytes >= HOLDER_BYTES_MIN && bytes <= HOLDER_BYTES_MAX && HOLDER.test(name);
        return { complete, fault: complete ? null : name === "" ? "incomplete" : "invalid", atOnce: false };
      }
    }
  }

  #numberVerdict(digits: string): Verdict {
    const brand = brandOf(digits);
    const brands = this.around.brands();
    if (brand !== null && brands && !brands.includes(brand)) return { complete: false, fault: "brand", atOnce: true };
    const { length } = digits;
    // Whether what is there so far passes the check says something of its digits: a page that asks at every key would hear it.
    if (length < digitsUsual(digits) && !this.#left) return { complete: false, fault: "incomplete", atOnce: false };
    const isOne = isNumber(digits) && !(brands && brand === null);
    if (isOne) return { complete: true, fault: null, atOnce: false };
    const fault = length < digitsMin(digits) ? "incomplete" : "invalid";
    return { complete: false, fault, atOnce: length >= digitsMax(digits) };
  }

  #message(fault: Fault): string {
    const { texts } = this.around;
    switch (fault) {
      case "incomplete":
        return texts[INCOMPLETE[this.kind]];
      case "invalid":
        return this.kind === "holder" ? holderMessage(this.input.value.trim(), texts) : texts[INVALID[this.kind]];
      case "brand":
        return texts.brandRefused;
      case "expired":
        return texts.expired;
    }
  }
}

/** Somebody whose name does not fit must learn what would. */
function holderMessage(name: string, texts: Texts): string {
  const bytes = bytesOf(name);
  if (bytes > HOLDER_BYTES_MAX) return texts.holderLong;
  return bytes < HOLDER_BYTES_MIN ? texts.holderShort : texts.holderInvalid;
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}
