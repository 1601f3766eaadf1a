// The vault's page for shoppers: what is to be paid, the fields, and what became of it. What is typed stays in the frames of the fields; this script
// hears of states and outcomes, and knows no token.

import { languageOf } from "../languages";
import { Clock } from "./clock";
import { Fields } from "./fields";
import { localeOf } from "./language";
import { Screen } from "./screen";
import { cancel, pay, view, type Paid, type State, type View } from "./state";
import { fill, TEXTS, type Texts } from "./texts";

/** How often a payment is sent whose answer was lost, always under its own number. */
const SENDS_MAX = 3;
const AGAIN_MS = 1000;
/** Between two questions for what is being processed. */
const ASK_MS: readonly number[] = [1000, 1000, 2000, 2000, 3000, 5000];
const ASK_MS_LATER = 10_000;
/** Until the page leaves by itself: long enough to see that all is well. */
const LEAVE_MS = 1500;
const DECLINED = 121;
/** What no other try mends: the shop's account takes nothing, or its processor not this. */
const USELESS: readonly number[] = [110, 132];

class Checkout {
  readonly #id: string;
  readonly #screen = new Screen();
  readonly #clock = new Clock({
    show: (seconds) => this.#screen.time(seconds),
    say: () => this.#screen.sayTime(),
    ended: () => void this.refresh(),
  });
  #texts: Texts = TEXTS.en;
  #locale = "";
  #state: State | undefined;
  #fields: Fields | undefined;
  /** A payment is on its way: nobody else changes what is shown. */
  #isBusy = false;
  #isPaying = false;
  /** The result was waited for here, so the page goes back with it by itself. */
  #hasWaited = false;
  #isLeaving = false;
  /** Questions for the state so far: the answer to an old one is old. */
  #asked = 0;
  #polls = 0;
  #poll: number | undefined;

  constructor(id: string) {
    this.#id = id;
    this.#speak(undefined);
  }

  listen(): void {
    document.getElementById("form")?.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    document.getElementById("cancel")?.addEventListener("click", () => {
      if (this.#isPaying) return this.#screen.uncancelled();
      void this.#alone(() => this.#cancel());
    });
    document.getElementById("again")?.addEventListener("click", () => void this.refresh());
    // What another window did meanwhile is seen by whoever comes back to this one.
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") void this.refresh();
    });
    // A page that the browser kept has a state that was, and what was typed.
    window.addEventListener("pageshow", (event) => {
      if (event.persisted) location.reload();
    });
  }

  async refresh(): Promise<void> {
    if (this.#isBusy || this.#isLeaving) return;
    const asked = (this.#asked += 1);
    const seen = await view(this.#id);
    if (asked === this.#asked && !this.#isBusy) this.#show(seen);
  }

  #show(seen: View): void {
    if (seen.is === "shown") return this.#showState(seen.state);
    // What was there stays true for as long as nobody says otherwise.
    if (seen.is !== "missing" && this.#state) return this.#state.status === "processing" ? this.#askLater() : undefined;
    this.#close();
    const { missing, restart, unreachable, busy } = this.#texts;
    if (seen.is === "missing") return this.#screen.notice({ heading: missing, advice: restart });
    this.#screen.notice({ heading: unreachable, advice: seen.is === "busy" ? busy : undefined, again: true });
  }

  #showState(state: State): void {
    this.#speak(state.locale);
    const texts = this.#texts;
    const before = this.#state;
    this.#state = state;
    this.#screen.surround(state);
    switch (state.status) {
      case "open":
        return this.#open(state, before);
      case "processing":
        this.#close();
        this.#hasWaited = true;
        this.#screen.notice({ heading: texts.processing, advice: texts.processingAdvice, waits: true, back: state.back });
        return this.#askLater();
      case "completed":
        return this.#completed(state);
      case "failed":
        return this.#ended(state, texts.failed, `${texts.unpaid} ${texts.restart}`);
      case "cancelled":
        return this.#ended(state, texts.unpaid, texts.restart);
      case "expired":
        return this.#ended(state, texts.expired, `${texts.unpaid} ${texts.restart}`);
    }
  }

  #open(state: State, before: State | undefined): void {
    clearTimeout(this.#poll);
    this.#hasWaited = false;
    this.#screen.form(state);
    this.#clock.start(state.secondsLeft);
    if (state.attempt > 0 && state.attempt !== before?.attempt) {
      this.#fields?.used();
      const { fault } = state;
      this.#problem(this.#fault({ is: "refused", code: fault ?? DECLINED }), false);
    }
    this.#fields ??= new Fields(this.#id, this.#locale, state.brands, {
      wrong: (id, message) => this.#screen.wrong(id, message),
      focused: (id, focused) => this.#screen.focused(id, focused),
      submit: () => this.#submit(),
      // A checkout that has ended has no fields: its state says so.
      failed: (error) => void this.refresh().then(() => this.#problem(error.message, false)),
    });
  }

  #completed(state: State): void {
    const { paid, saved, returning } = this.#texts;
    const { back } = state;
    const done = state.does === "pay" ? paid : saved;
    if (!this.#hasWaited || back === undefined) return this.#ended(state, done, undefined);
    this.#isLeaving = true;
    this.#ended(state, done, fill(returning, { shop: state.merchant }));
    // In the place of this page, so that who goes back in the shop comes to the shop.
    setTimeout(() => location.replace(back), LEAVE_MS);
  }

  #ended({ back }: State, heading: string, advice: string | undefined): void {
    this.#close();
    // Where the shop lets nobody be sent to that address any more, there is no link.
    const said = back === undefined ? [advice, this.#texts.unlinked].filter(Boolean).join(" ") : advice;
    this.#screen.notice({ heading, advice: said, back });
  }

  /** There is nothing to type any more. */
  #close(): void {
    this.#clock.stop();
    clearTimeout(this.#poll);
    this.#fields?.destroy();
    this.#fields = undefined;
  }

  #askLater(): void {
    clearTimeout(this.#poll);
    this.#poll = window.setTimeout(() => void this.refresh(), ASK_MS[this.#polls] ?? ASK_MS_LATER);
    this.#polls += 1;
  }

  #submit(): void {
    const [state, fields] = [this.#state, this.#fields];
    if (state && fields) void this.#alone(() => this.#pay(state, fields), true);
  }

  /** Of what is done with an open checkout, one thing at a time. */
  async #alone(act: () => Promise<void>, isPaying = false): Promise<void> {
    if (this.#isBusy || this.#isLeaving || this.#state?.status !== "open") return;
    this.#isBusy = true;
    this.#isPaying = isPaying;
    this.#screen.busy(true);
    try {
      await act();
    } finally {
      this.#isBusy = false;
      this.#isPaying = false;
      this.#screen.busy(false);
    }
  }

  async #cancel(): Promise<void> {
    const cancelled = await cancel(this.#id);
    if (cancelled.is === "taken" && cancelled.status === "cancelled" && cancelled.back !== undefined) {
      this.#isLeaving = true;
      return location.replace(cancelled.back);
    }
    // Paid in another window, perhaps.
    this.#show(await view(this.#id));
    if (cancelled.is !== "taken") this.#problem(this.#fault(cancelled, this.#texts.trouble), true);
  }

  /** Pays the attempt that is shown, and no other. */
  async #pay(shown: State, fields: Fields): Promise<void> {
    this.#problem(undefined, false);
    const bound = await fields.bind();
    if (bound.is === "wrong") return;
    this.#hasWaited = true;
    if (bound.is === "failed") {
      this.#show(await view(this.#id));
      const isUseless = USELESS.includes(bound.error.apiCode ?? 0);
      // What another window did meanwhile is on the screen already, and trying again helps.
      if (isUseless && this.#state?.attempt !== shown.attempt) return;
      return this.#problem(isUseless ? this.#texts.useless : bound.error.message, true);
    }
    const { paid, seen } = await this.#send(shown.attempt);
    if (paid.is === "taken" && seen.is !== "shown") return this.#showState({ ...shown, status: paid.status, back: paid.back });
    this.#show(seen);
    if (this.#state?.attempt === shown.attempt || paid.is !== "refused" || !USELESS.includes(paid.code)) this.#problem(this.#fault(paid), true);
  }

  /** Sends it until there is an answer, or a state that says what became of it. */
  async #send(attempt: number): Promise<{ paid: Paid; seen: View }> {
    for (let sends = 1; ; sends += 1) {
      const paid = await pay(this.#id, attempt);
      const seen = await view(this.#id);
      const isOpen = seen.is !== "shown" || (seen.state.status === "open" && seen.state.attempt === attempt);
      if (paid.is !== "lost" || !isOpen || sends === SENDS_MAX) return { paid, seen };
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }

  #fault(paid: Paid, useless = this.#texts.useless): string {
    const { declined, busy, trouble, unreachable } = this.#texts;
    if (paid.is === "busy") return busy;
    if (paid.is !== "refused") return unreachable;
    if (USELESS.includes(paid.code)) return useless;
    return paid.code === DECLINED ? declined : trouble;
  }

  /** What keeps an open checkout from being paid. */
  #problem(text: string | undefined, focus: boolean): void {
    if (this.#state?.status === "open") this.#screen.problem(text, focus);
  }

  #speak(wanted: string | undefined): void {
    this.#locale = localeOf(wanted);
    const language = languageOf(this.#locale);
    this.#texts = TEXTS[language];
    this.#screen.speak(this.#texts, this.#locale);
    document.documentElement.lang = language;
  }
}

const [, id = ""] = /\/([0-9A-Za-z]+)\.html$/.exec(location.pathname) ?? [];
const checkout = new Checkout(id);
checkout.listen();
void checkout.refresh();

