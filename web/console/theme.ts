// Dark or light: as the system is, unless one has chosen. The choice is all that the console keeps in the browser by itself.

const PLACE = "panvault.console.theme";
export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

/** What draws on a canvas has to be told. */
export const THEME_CHANGED = "themechange";

export function theme(): Theme {
  const kept = localStorage.getItem(PLACE);
  return THEMES.find((each) => each === kept) ?? "system";
}

export function chooseTheme(chosen: Theme): void {
  localStorage.setItem(PLACE, chosen);
  applyTheme();
}

export function applyTheme(): void {
  document.documentElement.dataset.theme = theme();
  window.dispatchEvent(new Event(THEME_CHANGED));
}
