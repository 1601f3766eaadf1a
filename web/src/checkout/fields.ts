// The fields of the page: frames of the vault, as in any shop's page.

import { create } from "../panvault";
import type { Field, FieldName, Vault, VaultError } from "../types";

/** By the ids of their places in the page. */
export const FIELDS = { number: "cardNumber", expiry: "cardExpiry", cvc: "cardCvc", holder: "cardHolder" } as const satisfies Record<string, FieldName>;

export type FieldId = keyof typeof FIELDS;
export const FIELD_IDS = Object.keys(FIELDS) as FieldId[];

interface Around {
  /** What is wrong with a field, in words; nothing where nothing is. */
  wrong(id: FieldId, message: string | undefined): void;
  focused(id: FieldId, focused: boolean): void;
  submit(): void;
  failed(error: VaultError): void;
}

export class Fields {
  readonly #vault: Vault;
  readonly #fields = new Map<FieldName, Field>();
  readonly #around: Around;
  /** The checkout has the card that was typed, and nobody has been in a field since. */
  #isBound = false;

  constructor(checkout: string, locale: string, brands: readonly string[], around: Around) {
    this.#around = around;
    this.#vault = create({ checkout, locale, apiBase: location.origin });
    for (const id of FIELD_IDS) {
      // The place has the outline.
      const style = { focus: { outline: "none" } };
      // Many cards have no name on them.
      const options = { style, optional: id === "holder" };
      const field = this.#vault.create(FIELDS[id], brands.length > 0 ? { ...options, brands } : options);
      field.on("change", ({ error }) => around.wrong(id, error?.message));
      field.on("focus", () => {
        this.#isBound = false;
        around.focused(id, true);
      });
      field.on("blur", () => around.focused(id, false));
      field.on("submit", () => around.submit());
      field.on("error", (error) => around.failed(error));
      field.mount(`#${id}`);
      this.#fields.set(FIELDS[id], field);
    }
  }

  /** Gives the card to the checkout, if it is not there. What is wrong with a field is shown there; any other error is the answer. */
  async bind(): Promise<{ is: "bound" | "wrong" } | { is: "failed"; error: VaultError }> {
    try {
      if (!this.#isBound) await this.#vault.bind();
      this.#isBound = true;
      return { is: "bound" };
    } catch (rejected) {
      const error = rejected as VaultError;
      const id = FIELD_IDS.find((id) => FIELDS[id] === error.field);
      if (id === undefined) return { is: "failed", error };
      this.#around.wrong(id, error.message);
      this.#fields.get(FIELDS[id])?.focus();
      return { is: "wrong" };
    }
  }

  /** The card was paid with: another attempt needs one again. */
  used(): void {
    this.#isBound = false;
  }

  destroy(): void {
    this.#vault.destroy();
  }
}
