// Buttons that copy what a block holds, and contents that are folded on a small screen. The page is whole without them.
"use strict";

for (const block of document.querySelectorAll("figure")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", async () => {
    const text = block.querySelector("pre");
    let copied;
    try {
      await navigator.clipboard.writeText(text.textContent);
      copied = true;
    } catch {
      // Without TLS, other machines than this one give no clipboard: what is selected can be copied.
      const range = document.createRange();
      range.selectNodeContents(text);
      const selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      copied = document.execCommand("copy");
    }
    button.textContent = copied ? "Copied" : "Selected";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  block.querySelector("figcaption").append(button);
}

const contents = document.querySelector("nav details");
const narrow = matchMedia("(max-width: 60rem)");
const fold = () => { contents.open = !narrow.matches; };
narrow.addEventListener("change", fold);
fold();
for (const link of contents.querySelectorAll("a")) {
  link.addEventListener("click", fold);
}
