// The languages there are texts in.

export const LANGUAGES = ["en", "de", "fr", "es", "it", "nl", "pl", "pt", "ja"] as const;

export type Language = (typeof LANGUAGES)[number];

/** The language of a tag such as `de-AT`; English where there is none. */
export function languageOf(tag: string): Language {
  const primary = tag.toLowerCase().split(/[-_]/)[0];
  return LANGUAGES.find((language) => language === primary) ?? "en";
}
