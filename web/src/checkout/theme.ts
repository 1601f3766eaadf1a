// How a merchant's page looks: colours, each read again here, and never so that a text cannot be read.

/** Of the theme, what is a style. Its texts are shown as texts. */
export interface Look {
  primary: string | undefined;
  background: string | undefined;
  text: string | undefined;
  font: string | undefined;
  radius: number | undefined;
}

const COLOUR = /^#[0-9a-f]{6}$/i;
const FONTS: Readonly<Record<string, string>> = { system: "system-ui, sans-serif", serif: "Georgia, serif", mono: "ui-monospace, monospace" };
const RADIUS_PX_MAX = 24;
/** WCAG 2.2, 1.4.3. */
const CONTRAST_MIN = 4.5;
/** On any ground one of them has it. */
const DARK = "#000000";
const LIGHT = "#ffffff";
const FAULTS = ["#a8231c", "#ff9a91"];

/** What of a theme can be a look. */
export function look(theme: Readonly<Record<string, unknown>>): Look {
  const colour = (name: string) => (typeof theme[name] === "string" && COLOUR.test(theme[name]) ? theme[name] : undefined);
  const { font, radius } = theme;
  return {
    primary: colour("primary_colour"),
    background: colour("background_colour"),
    text: colour("text_colour"),
    font: typeof font === "string" && Object.hasOwn(FONTS, font) ? FONTS[font] : undefined,
    radius: typeof radius === "number" && radius >= 0 && radius <= RADIUS_PX_MAX ? radius : undefined,
  };
}

/** Dresses the page. Without colours of its own it follows the browser's, light or dark. */
export function dress({ primary, background, text, font, radius }: Look): void {
  const { style } = document.documentElement;
  const set = (name: string, value: string | undefined) => value !== undefined && style.setProperty(`--${name}`, value);
  if (background !== undefined || text !== undefined) {
    const ground = background ?? readable(text ?? DARK);
    const ink = text !== undefined && contrast(text, ground) >= CONTRAST_MIN ? text : readable(ground);
    set("ground", ground);
    set("text", ink);
    set("bad", FAULTS.find((fault) => contrast(fault, ground) >= CONTRAST_MIN) ?? ink);
    style.colorScheme = luminance(ground) < luminance(ink) ? "dark" : "light";
  }
  if (primary !== undefined) {
    set("main", primary);
    set("on-main", readable(primary));
  }
  set("font", font);
  set("radius", radius === undefined ? undefined : `${radius}px`);
}

/** What can be read on it: of dark and light, the one that differs more. */
function readable(ground: string): string {
  return contrast(DARK, ground) > contrast(LIGHT, ground) ? DARK : LIGHT;
}

/** WCAG 2.2, contrast ratio. */
function contrast(one: string, other: string): number {
  const [a, b] = [luminance(one), luminance(other)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

/** WCAG 2.2, relative luminance. */
function luminance(colour: string): number {
  const part = (at: number) => {
    const value = parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5);
}
