// How long the checkout can still be paid: shown when little is left, and said aloud seldom.

/** From when on it is shown, and when it is said. */
const SHOWN_SECONDS = 120;
const SAID_SECONDS: readonly number[] = [120, 30];
/** A timer holds no more than 24 days of milliseconds. */
const WAIT_SECONDS_MAX = 3600;

interface Around {
  show(seconds: number | undefined): void;
  say(seconds: number): void;
  ended(): void;
}

export class Clock {
  readonly #around: Around;
  #deadline = 0;
  #timer: number | undefined;

  constructor(around: Around) {
    this.#around = around;
  }

  /** By a clock that nobody sets. A second at least, for whoever asks again when it has ended. */
  start(seconds: number): void {
    this.#deadline = performance.now() + Math.max(seconds, 1) * 1000;
    this.#tick();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#around.show(undefined);
  }

  #tick(): void {
    clearTimeout(this.#timer);
    const left = Math.max(0, Math.ceil((this.#deadline - performance.now()) / 1000));
    const isShort = left <= SHOWN_SECONDS;
    this.#around.show(isShort ? left : undefined);
    if (SAID_SECONDS.includes(left)) this.#around.say(left);
    if (left === 0) return this.#around.ended();
    const wait = isShort ? 1 : Math.min(left - SHOWN_SECONDS, WAIT_SECONDS_MAX);
    this.#timer = window.setTimeout(() => this.#tick(), wait * 1000);
  }
}
