// Inject, as the gateway's modules call it: `jsclient.injectForm(form, options)` draws a card form into a shop's form, and submits that with
// the token in `card`. What used to be inputs of the shop's page are frames of the vault.

import { create } from "./panvault";
import type { Field, FieldOptions, Vault, VaultError } from "./types";

/** As the modules pass them; what has no effect is taken and not looked at. */
interface InjectOptions {
  organisation_id?: string;
  /** A publishable key of ours, in place of the organisation's keyless capture. */
  publishable_key?: string;
  account_id?: string;
  /** Where cards are posted: its origin is the vault's. */
  cardstore_url?: string;
  payment_products?: string[];
  submit_title?: string;
  card_number_placeholder?: string;
  expiry_placeholder?: string;
  cvv_placeholder_3?: string;
  cvv_placeholder_4?: string;
  cvv_placeholder3?: string;
  cvv_placeholder4?: string;
  no_style?: boolean;
}

/** Properties are set one by one: a shop's policy may forbid style sheets and attributes. */
function paint(element: HTMLElement, properties: Record<string, string>): void {
  for (const [name, value] of Object.entries(properties)) element.style.setProperty(name, value);
}

/** A form, its id, or a list that has it first, as libraries wrap elements. */
function found(form: unknown): HTMLFormElement {
  const first =
    typeof form === "string"
      ? document.getElementById(form.replace(/^#/, "")) ?? document.querySelector(form)
      : form instanceof HTMLFormElement
        ? form
        : (form as ArrayLike<unknown> | null | undefined)?.[0];
  if (first instanceof HTMLFormElement) return first;
  throw new TypeError("jsclient.injectForm needs a form");
}

const drawn = new WeakMap<HTMLFormElement, () => void>();

/** Draws the fields. What was drawn into the same form before goes first. */
export function injectForm(target: HTMLFormElement | string | ArrayLike<unknown>, options: InjectOptions = {}): void {
  const form = found(target);
  drawn.get(form)?.();
  const styled = options.no_style !== true;
  const box = document.createElement("div");
  const alerts = part("_alert_container");
  alerts.setAttribute("role", "alert");
  form.append(box);
  box.append(alerts);

  const alert = (message: string): void => {
    const list = document.createElement("ul");
    const item = document.createElement("li");
    item.textContent = message;
    list.append(item);
    alerts.replaceChildren(list);
  };

  let vault: Vault;
  try {
    const { publishable_key: publishableKey, organisation_id: organisation } = options;
    vault = create({
      ...(publishableKey ? { publishableKey } : organisation ? { organisation } : {}),
      // Only its origin is looked at; without it the vault is where this script came from.
      ...(options.cardstore_url ? { apiBase: options.cardstore_url } : {}),
    });
  } catch (error) {
    alert((error as Error).message);
    throw error;
  }

  // Both spellings are in use.
  const three = options.cvv_placeholder_3 ?? options.cvv_placeholder3;
  const four = options.cvv_placeholder_4 ?? options.cvv_placeholder4 ?? three;
  const number = vault.create("cardNumber", shown(options.card_number_placeholder));
  const expiry = vault.create("cardExpiry", shown(options.expiry_placeholder));
  const cvc = vault.create("cardCvc", shown(three));
  number.on("change", ({ brand }) => cvc.update(shown(brand === "Amex" ? four : three)));
  const fields: [Field, string][] = [
    [number, "_card_number"],
    [expiry, "_expiry"],
    [cvc, "_cvv"],
  ];
  for (const [field, id] of fields) {
    const slot = part(id);
    if (styled) {
      paint(slot, { height: "44px", "box-sizing": "border-box", margin: "0 0 8px", padding: "0 12px", border: "1px solid #8a929c", "border-radius": "4px" });
    }
    box.append(slot);
    field.on("change", () => slot.dispatchEvent(new Event("change", { bubbles: true })));
    field.on("focus", () => slot.dispatchEvent(new Event("focus")));
    field.on("blur", () => slot.dispatchEvent(new Event("blur")));
    field.on("submit", () => form.requestSubmit());
    field.on("error", (error) => alert(error.message));
    field.mount(slot);
  }

  const button = document.createElement("button");
  button.id = "_submit_button";
  button.type = "submit";
  button.textContent = options.submit_title ?? "Pay";
  if (styled) paint(button, { height: "44px", width: "100%", cursor: "pointer" });
  box.append(button);

  let busy = false;
  const again = (): void => {
    busy = false;
    button.disabled = false;
  };
  const submit = async (): Promise<void> => {
    if (busy) return;
    busy = true;
    button.disabled = true;
    alerts.replaceChildren();
    try {
      const { token } = await vault.tokenize(options.organisation_id ? { organisation: options.organisation_id } : {});
      named(form, "card").value = token;
      // The form's own way, past what is put on it below, and past a field that is called `submit`.
      HTMLFormElement.prototype.submit.call(form);
      // The shop is at it now, for as long as it takes: who pressed again would pay again.
    } catch (error) {
      alert((error as VaultError).message);
      again();
    }
  };
  // Come back to, the page is as it was left.
  const shownAgain = (event: PageTransitionEvent): void => {
    if (event.persisted) again();
  };
  const submitted = (event: Event): void => {
    // What the shop itself has stopped stays stopped: all of its listeners come before the window's.
    if (event.target !== form || event.defaultPrevented) return;
    event.preventDefault();
    void submit();
  };
  window.addEventListener("submit", submitted);
  window.addEventListener("pageshow", shownAgain);
  // Shops that have taken the button away call this. A field of the form that is called `submit` would come first, here as for them.
  Reflect.defineProperty(form, "submit", { value: () => void submit(), configurable: true });

  drawn.set(form, () => {
    window.removeEventListener("submit", submitted);
    window.removeEventListener("pageshow", shownAgain);
    Reflect.deleteProperty(form, "submit");
    vault.destroy();
    box.remove();
    drawn.delete(form);
  });
}

function shown(placeholder: string | undefined): FieldOptions {
  return placeholder === undefined ? {} : { placeholder };
}

function part(id: string): HTMLDivElement {
  const made = document.createElement("div");
  made.id = id;
  return made;
}

/** The form's hidden field of that name. */
function named(form: HTMLFormElement, name: string): HTMLInputElement {
  const there = form.elements.namedItem(name);
  if (there instanceof HTMLInputElement && there.type === "hidden") return there;
  const made = document.createElement("input");
  made.type = "hidden";
  made.name = name;
  form.append(made);
  return made;
}
