// In which language the page speaks: that of the checkout, or the first of the browser's that there are texts in.

import { LANGUAGES } from "../languages";

/** A language tag that amounts can be written in, too. */
export function localeOf(checkout: string | undefined): string {
  const wanted = [checkout ?? "", ...navigator.languages].map((tag) => tag.replace(/_/g, "-"));
  return wanted.find((tag) => isKnown(tag) && isTag(tag)) ?? "en";
}

function isKnown(tag: string): boolean {
  const primary = tag.toLowerCase().split("-")[0];
  return LANGUAGES.some((language) => language === primary);
}

function isTag(tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag).length === 1;
  } catch {
    return false;
  }
}
