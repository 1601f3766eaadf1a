import { languageOf, type Language } from "./languages";
import type { Failure } from "./protocol";
import type { VaultError, VaultErrorCode } from "./types";

/** Told to the shopper when there are no fields: the code says to the program why. */
const UNAVAILABLE: Readonly<Record<Language, string>> = {
  en: "The card form is not available at the moment.",
  de: "Das Kartenformular ist zurzeit nicht verfügbar.",
  fr: "Le formulaire de carte est indisponible pour le moment.",
  es: "El formulario de tarjeta no está disponible en este momento.",
  it: "Il modulo della carta non è al momento disponibile.",
  nl: "Het kaartformulier is op dit moment niet beschikbaar.",
  pl: "Formularz karty jest obecnie niedostępny.",
  pt: "O formulário do cartão não está disponível neste momento.",
  ja: "カード入力フォームは現在ご利用いただけません。",
};

/** For whoever builds the page, on the console. */
const ADVICE: Partial<Record<VaultErrorCode, string>> = {
  frame_blocked: "a frame of the vault did not load within 10 s; does the page's Content-Security-Policy have the vault in frame-src?",
  key: "the vault does not know the publishable key (or the organisation), or it is revoked, expired or not for browsers",
  origin: "this page's origin is not among the allowed_origins of the key (or the organisation)",
};

export function vaultError(failure: Failure): VaultError {
  const { message, ...rest } = failure;
  return Object.assign(new Error(message), { name: "VaultError" }, rest);
}

/** What is wrong before a frame could say it in its own texts. */
export function unavailable(code: VaultErrorCode, locale: string): VaultError {
  const advice = ADVICE[code];
  if (advice) console.error(`Panvault: ${advice}`);
  return vaultError({ code, message: UNAVAILABLE[languageOf(locale)] });
}
