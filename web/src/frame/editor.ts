// An input whose text is laid out while it is typed, with the caret kept between the same digits.

/** How a text is laid out; `deleting` while something is taken away. */
export type Layout = (text: string, deleting: boolean) => string;

export function layOut(input: HTMLInputElement, layout: Layout, changed: () => void): void {
  let before = input.value;
  const lay = (event: Event) => {
    const kind = event instanceof InputEvent ? event.inputType : "";
    const deleting = kind.startsWith("delete");
    let text = input.value;
    let caret = input.selectionStart ?? text.length;
    // What was deleted was only a separator: the digit beside it was meant.
    if (deleting && text.length < before.length && digits(text) === digits(before)) {
      if (kind === "deleteContentForward") {
        const next = text.slice(caret).search(/[0-9]/);
        if (next >= 0) text = text.slice(0, caret + next) + text.slice(caret + next + 1);
      } else {
        const head = text.slice(0, caret).replace(/[0-9][^0-9]*$/, "");
        text = head + text.slice(caret);
        caret = head.length;
      }
    }
    const passed = digits(text.slice(0, caret)).length;
    const atEnd = caret === text.length;
    const laid = layout(text, deleting);
    // What is there already is not written again: that would take the history of the input.
    if (laid !== input.value) {
      // Digits that the layout puts in front of a month stand before the caret.
      const added = digits(laid).length > digits(text).length && laid.startsWith("0") ? 1 : 0;
      input.value = laid;
      const at = atEnd ? laid.length : after(laid, passed + added);
      input.setSelectionRange(at, at);
    }
    before = input.value;
    changed();
  };
  input.addEventListener("input", (event) => {
    // Of a word that is still being composed nothing is rewritten.
    if (!(event instanceof InputEvent && event.isComposing)) lay(event);
  });
  input.addEventListener("compositionend", lay);
}

function digits(text: string): string {
  return text.normalize("NFKC").replace(/[^0-9]/g, "");
}

/** The place behind so many digits. */
function after(text: string, count: number): number {
  let left = count;
  let at = 0;
  for (; at < text.length && left > 0; at += 1) {
    if (/[0-9]/.test(text[at] ?? "")) left -= 1;
  }
  return at;
}
