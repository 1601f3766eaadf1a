// What is wrong with a page as it is shown: run in the page itself, so it takes nothing from outside.

// What sticks out to the right, and text that is hard to read: a list of sentences.
export function faults() {
  const found = [];
  const width = document.documentElement.clientWidth;
  const name = (element) => `<${element.tagName.toLowerCase()}${element.id ? ` id=${element.id}` : ""}> ${element.textContent.trim().slice(0, 30)}`;
  if (document.documentElement.scrollWidth > width) {
    found.push(`the page is ${document.documentElement.scrollWidth} px wide`);
  }
  const isShown = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  for (const element of document.body.querySelectorAll("*")) {
    const box = element.getBoundingClientRect();
    // What is wider than its block is scrolled in it.
    if (isShown(element) && !element.parentElement.closest("pre") && box.right > width + 0.5) {
      found.push(`${name(element)} ends at ${Math.round(box.right)} px`);
    }
  }

  // sRGB in any notation, by way of a canvas: red, green, blue, 0 to 255, and alpha.
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const parse = (colour) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = context.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  };
  const over = (top, below) => [0, 1, 2].map((at) => top[at] * top[3] + below[at] * (1 - top[3])).concat(1);
  const ground = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.unshift(parse(getComputedStyle(at).backgroundColor));
    const scheme = matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18, 1] : [255, 255, 255, 1];
    return layers.reduce((below, layer) => over(layer, below), scheme);
  };
  // WCAG 2.2, relative luminance and contrast ratio.
  const luminance = (colour) => {
    const [red, green, blue] = colour.slice(0, 3).map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ratio = (one, other) => {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let looked = 0;
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.textContent.trim() || !isShown(element)) continue;
    looked += 1;
    const below = ground(element);
    const contrast = ratio(over(parse(getComputedStyle(element).color), below), below);
    if (contrast < 4.5) found.push(`${name(element)} has a contrast of ${contrast.toFixed(2)}`);
  }
  if (looked === 0) found.push("there is no text");
  return found;
}
