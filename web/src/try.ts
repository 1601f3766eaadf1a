// The shop page of `panvault dev`: it does what a shop does, with what a shop is told.

import type { Field, Vault } from "./types";

declare const Panvault: typeof import("./panvault");

/** Numbers that no issuer has given to anybody. */
const NUMBERS: [string, string, string][] = [
  ["Visa", "4111 1111 1111 1111", "111"],
  ["Mastercard", "5555 5555 5555 4444", "111"],
  ["American Express", "3782 822463 10005", "1111"],
  ["Maestro", "6759 6498 2643 8453", "111"],
  ["JCB", "3530 1113 3330 0000", "111"],
];
const FIELDS = [
  ["cardNumber", "number"],
  ["cardExpiry", "expiry"],
  ["cardCvc", "cvc"],
  ["cardHolder", "holder"],
] as const;
const SEEN_MAX = 60;

const by = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

function seen(what: string, value: unknown): void {
  const line = document.createElement("li");
  line.textContent = `${what} ${JSON.stringify(value, null, 1).replace(/\n\s*/g, " ")}`;
  const list = by("seen");
  list.prepend(line);
  while (list.childElementCount > SEEN_MAX) list.lastElementChild?.remove();
}

function say(text: string, good: boolean): void {
  const said = by("said");
  said.textContent = text;
  said.className = good ? "good" : "bad";
}

function message(error: unknown): string {
  return error instanceof Error || (typeof error === "object" && error !== null && "message" in error)
    ? String(error.message)
    : String(error);
}

function place(field: Field, id: string, form: string): void {
  const slot = by(id);
  field.on("change", (event) => {
    slot.classList.toggle("wrong", event.error !== null);
    seen("change", event);
  });
  field.on("focus", () => slot.classList.add("focused"));
  field.on("blur", () => slot.classList.remove("focused"));
  field.on("error", (error) => say(message(error), false));
  field.on("submit", () => by<HTMLFormElement>(form).requestSubmit());
  field.mount(slot);
}

/** Runs what a button does, once at a time. */
function on(form: string, button: string, act: () => Promise<void>): void {
  by(form).addEventListener("submit", (event) => {
    event.preventDefault();
    const pressed = by<HTMLButtonElement>(button);
    if (pressed.disabled) return;
    pressed.disabled = true;
    act()
      .catch((error: unknown) => say(message(error), false))
      .finally(() => {
        pressed.disabled = false;
      });
  });
}

function numbers(): void {
  for (const [brand, number, code] of NUMBERS) {
    const row = by<HTMLTableSectionElement>("numbers").insertRow();
    row.insertCell().textContent = brand;
    const text = document.createElement("code");
    text.textContent = number;
    row.insertCell().append(text);
    row.insertCell().textContent = code;
    const copy = document.createElement("button");
    copy.type = "button";
    copy.textContent = "Copy";
    copy.setAttribute("aria-label", `Copy the number of ${brand}`);
    copy.addEventListener("click", () => {
      navigator.clipboard.writeText(number).then(
        () => say("Copied: paste it into the field.", true),
        () => say("The browser does not let the page copy.", false),
      );
    });
    row.insertCell().append(copy);
  }
}

async function start(): Promise<void> {
  numbers();
  const { publishable_key: publishableKey, organisation } = await (await fetch("/try.json")).json();
  const vault = Panvault.create({ publishableKey });
  for (const [name, id] of FIELDS) place(vault.create(name), id, "form");
  by<HTMLButtonElement>("tokenize").disabled = false;

  let token = "";
  let again: Vault | undefined;

  on("form", "tokenize", async () => {
    const made = await vault.tokenize({ organisation });
    seen("tokenize", made);
    token = made.token;
    by("token").textContent = token;
    by("card").textContent = `${made.card.brand ?? "a card"} ending in ${made.card.lastFour}`;
    by("saved").hidden = false;
    say("The card is saved.", true);
    again?.destroy();
    again = Panvault.create({ publishableKey });
    const options = { ariaLabel: "Security code, for the next payment" };
    place(again.create("cardCvc", made.card.brand ? { ...options, brand: made.card.brand } : options), "cvc-again", "again");
  });

  on("charge", "pay-now", async () => {
    const body = JSON.stringify({ card: token, amount: Number(by<HTMLSelectElement>("amount").value) });
    const answer = await fetch("/try/pay", { method: "POST", headers: { "content-type": "application/json" }, body });
    const came = await answer.json();
    seen("pay", came);
    if (answer.ok) {
      say(`${came.status}, ${came.cvv_present ? "with the security code, which is gone now" : "without a security code"}.`, true);
    } else {
      say(`${came.details?.status ?? came.message} (code ${came.code}).`, false);
    }
  });

  on("again", "update-cvv", async () => {
    if (!again) return;
    seen("updateCvv", await again.updateCvv(token, { organisation }));
    say("The vault has the security code again, for one payment.", true);
  });
}

start().catch((error: unknown) => say(message(error), false));
