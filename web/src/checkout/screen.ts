// The page as it is seen: what stands where, and what a screen reader is told. Every text is set as a text.

import { FIELD_IDS, type FieldId } from "./fields";
import { money } from "./money";
import type { State } from "./state";
import { fill, TEXTS, type Texts } from "./texts";
import { dress } from "./theme";

/** What is shown where there is nothing to type. */
interface Notice {
  heading: string;
  advice?: string | undefined;
  /** Something is waited for. */
  waits?: boolean;
  /** Where the shopper goes from here. */
  back?: string | undefined;
  again?: boolean;
}

/** By the names of their API, as people know them. */
const BRANDS: Readonly<Record<string, string>> = { Amex: "American Express", Diners: "Diners Club" };

const by = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

export class Screen {
  #texts: Texts = TEXTS.en;
  #locale = "en";
  #merchant = "";

  speak(texts: Texts, locale: string): void {
    this.#texts = texts;
    this.#locale = locale;
  }

  /** Whose page it is, and what it is about. */
  surround(state: State): void {
    dress(state.look);
    this.#merchant = state.merchant;
    put("merchant", state.merchant);
    const logo = by<HTMLImageElement>("logo");
    logo.hidden = state.logo === undefined;
    if (state.logo !== undefined) Object.assign(logo, { src: state.logo, alt: state.merchant });
    put("footer", state.footer);
    put("amount", state.does === "pay" ? this.#amount(state) : undefined);
  }

  /** What is typed into. */
  form(state: State): void {
    const texts = this.#texts;
    const amount = this.#amount(state);
    const isPaid = state.does === "pay";
    this.#heading(state.title ?? (isPaid ? texts.title : texts.buttons[state.does]));
    put("lead", isPaid ? undefined : texts.kept);
    for (const id of FIELD_IDS) put(`${id}-label`, texts[id]);
    put("brands", state.brands.length > 0 ? fill(texts.brands, { brands: state.brands.map((brand) => BRANDS[brand] ?? brand).join(", ") }) : undefined);
    put("left", state.attempt > 0 ? fill(texts.left, { count: String(state.attemptsLeft) }) : undefined);
    // What a merchant has put on the button is of buying.
    const own = state.button !== undefined && isPaid ? `${state.button} ${amount}` : undefined;
    put("pay", own ?? fill(texts.buttons[state.does], { amount }));
    put("cancel", texts.cancel);
    for (const id of ["advice", "back", "again", "spinner"]) by(id).hidden = true;
    by("form").hidden = false;
  }

  /** In place of the form. Where something else stood there, whoever reads it is led to it. */
  notice({ heading, advice, waits, back, again }: Notice): void {
    for (const id of ["form", "lead"]) by(id).hidden = true;
    const isNews = this.#heading(heading);
    put("advice", advice);
    by("spinner").hidden = waits !== true;
    put("back", back === undefined ? undefined : fill(this.#texts.back, { shop: this.#merchant }));
    if (back !== undefined) by<HTMLAnchorElement>("back").href = back;
    put("again", again === true ? this.#texts.again : undefined);
    if (isNews) by("title").focus();
  }

  /** While something is under way the buttons stay, for whoever is on one. */
  busy(busy: boolean): void {
    for (const id of ["pay", "cancel"]) by(id).setAttribute("aria-disabled", String(busy));
    by("wait").hidden = !busy;
    put("waiting", busy ? this.#texts.wait : undefined);
    this.#say(busy ? this.#texts.wait : "");
  }

  /** Why what is under way is not cancelled. */
  uncancelled(): void {
    put("waiting", this.#texts.uncancelled);
    this.#say(this.#texts.uncancelled);
  }

  /** What is wrong with all of it. Whoever acted is led to it. */
  problem(text: string | undefined, focus: boolean): void {
    put("problem", text);
    if (text !== undefined && focus) by("problem").focus();
  }

  /** What is wrong with a field. Its frame says it aloud. */
  wrong(id: FieldId, message: string | undefined): void {
    by(id).classList.toggle("wrong", message !== undefined);
    put(`${id}-wrong`, message);
  }

  focused(id: FieldId, focused: boolean): void {
    by(id).classList.toggle("focused", focused);
  }

  /** How little time is left. */
  time(seconds: number | undefined): void {
    const time = (of: number) => `${Math.floor(of / 60)}:${String(of % 60).padStart(2, "0")}`;
    put("time", seconds === undefined ? undefined : fill(this.#texts.timeLeft, { time: time(seconds) }));
  }

  sayTime(): void {
    this.#say(by("time").textContent ?? "");
  }

  /** To a screen reader alone. */
  #say(text: string): void {
    by("said").textContent = text;
  }

  /** Whether another stood there. */
  #heading(heading: string): boolean {
    const title = by("title");
    const isNews = !title.hidden && title.textContent !== heading;
    put("title", heading);
    document.title = this.#merchant === "" ? heading : `${heading} · ${this.#merchant}`;
    return isNews;
  }

  #amount(state: State): string {
    return money(state.amount, state.currency, this.#locale);
  }
}

/** Shows a text, or hides what there is none for. What is written again is read aloud again. */
function put(id: string, text: string | undefined): void {
  const element = by(id);
  if (text !== undefined && element.textContent !== text) element.textContent = text;
  element.hidden = text === undefined;
}
