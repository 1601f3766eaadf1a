// What a shop may say of the look of a field: properties from a list, each set by itself, so that no text becomes a rule.

import type { FieldStyle, StyleRules } from "../types";

const PROPERTIES: ReadonlySet<string> = new Set([
  "backgroundColor", "caretColor", "color", "direction", "fontFamily", "fontFeatureSettings", "fontKerning", "fontSize", "fontStretch", "fontStyle",
  "fontVariant", "fontWeight", "height", "letterSpacing", "lineHeight", "outline", "outlineOffset", "padding", "paddingBottom", "paddingLeft",
  "paddingRight", "paddingTop", "textAlign", "textDecoration", "textIndent", "textShadow", "textTransform", "WebkitFontSmoothing",
]);

/** Words, numbers, quoted names, and functions of colours: nothing that loads, and nothing that is looked up elsewhere. */
const VALUE = /^(?:[\w\s#.,%'"+\-/]|\b(?:rgba?|hsla?|hwb|lab|lch|oklab|oklch|color|calc|min|max|clamp)\(|\))*$/i;
const VALUE_CHARACTERS_MAX = 200;

const RULES: readonly (readonly [keyof FieldStyle, string])[] = [
  ["base", "input"],
  ["empty", ".is-empty input"],
  ["complete", ".is-complete input"],
  ["invalid", ".is-invalid input"],
  ["focus", "input:focus"],
  ["placeholder", "input::placeholder"],
];

const rules = new Map<string, CSSStyleDeclaration>();

export function show(style: FieldStyle | undefined): void {
  for (const [state, selector] of RULES) set(selector, style?.[state] ?? {});
  // The brand beside the number is seen where the number is.
  const color = style?.base?.["color"];
  set(".brand", color === undefined ? {} : { color });
}

function set(selector: string, wanted: StyleRules): void {
  const declaration = ruleOf(selector);
  if (!declaration) return;
  declaration.cssText = "";
  for (const [property, value] of Object.entries(wanted)) {
    if (!PROPERTIES.has(property) || typeof value !== "string") continue;
    if (value.length > VALUE_CHARACTERS_MAX || !VALUE.test(value)) continue;
    declaration.setProperty(hyphened(property), value);
  }
}

/** The rule of a selector, which is there from its first use. */
function ruleOf(selector: string): CSSStyleDeclaration | undefined {
  const known = rules.get(selector);
  if (known) return known;
  const sheet = document.styleSheets[0];
  const rule = sheet?.cssRules[sheet.insertRule(`${selector} {}`, sheet.cssRules.length)];
  if (!(rule instanceof CSSStyleRule)) return undefined;
  rules.set(selector, rule.style);
  return rule.style;
}

function hyphened(property: string): string {
  return property.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
