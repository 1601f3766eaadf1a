// The vault under test, asked as its owner's server would ask it.

export class Vault {
  constructor(url, apiKey, organisation, account) {
    Object.assign(this, { url, apiKey, organisation, account });
  }

  get(path) {
    return this.#ask(path, {});
  }

  post(path, body) {
    return this.#ask(path, { method: "POST", body: JSON.stringify(body) });
  }

  async #ask(path, init) {
    const answer = await fetch(`${this.url}${path}`, { ...init, headers: { "X-APIKEY": this.apiKey, "Content-Type": "application/json" } });
    const told = await answer.json();
    if (!answer.ok) throw new Error(`${path} was answered ${answer.status}: ${JSON.stringify(told)}`);
    return told;
  }

  /** A key for the pages of these origins: its id, and itself. */
  async publishableKey(origins) {
    const { _id, api_key } = await this.post("/v1/apikey", { name: "web", organisation: this.organisation, roles: ["Publishable"], allowed_origins: origins });
    return { id: _id, key: api_key };
  }

  async revoke(id) {
    const answer = await fetch(`${this.url}/v1/apikey/${id}`, { method: "DELETE", headers: { "X-APIKEY": this.apiKey } });
    if (answer.status !== 204) throw new Error(`the key was not revoked: ${answer.status}`);
  }

  pay(card, amount) {
    return this.post("/v1/transaction", { account: this.account, card, amount, capture_now: true });
  }

  async hashes() {
    return (await fetch(`${this.url}/js/hashes.json`)).json();
  }
}
