// The script of the shop's page in the tests: it tokenises, pays on its server, and keeps what it heard.
const form = document.querySelector("form");
const status = document.querySelector("[role=status]");
const { key: publishableKey, organisation, locale } = document.documentElement.dataset;
window.heard = [];
window.began = performance.now();
window.vault = Panvault.create({ ...(organisation ? { organisation } : { publishableKey }), ...(locale ? { locale } : {}) });
window.fields = {};
for (const place of document.querySelectorAll("[data-field]")) {
  const name = place.dataset.field;
  const field = vault.create(name, { style: { base: { fontSize: "16px" }, invalid: { color: matchMedia("(prefers-color-scheme: dark)").matches ? "#ff8a80" : "#b00020" } } });
  for (const event of ["ready", "change", "focus", "blur", "submit", "error"]) field.on(event, (told) => heard.push({ name, event, told, at: performance.now() }));
  field.mount(place);
  fields[name] = field;
}

async function pay(card) {
  const answer = await fetch("/pay", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ card }) });
  return answer.json();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const { cardId } = form.dataset;
    const tokenized = await (cardId ? vault.updateCvv(cardId) : vault.tokenize());
    window.tokenized = tokenized;
    const { status: outcome } = await pay(tokenized.token);
    status.textContent = `${outcome} with ${tokenized.card.brand} ${tokenized.card.lastFour}`;
    form.dataset.cardId = "";
  } catch (error) {
    status.textContent = `${error.code} ${error.field ?? ""}: ${error.message}`;
  }
});
