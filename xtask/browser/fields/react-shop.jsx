// A shop in React, in strict mode, which mounts everything twice.
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { CardField, useVault } from "panvault-web/react";

const { key, vault: apiBase } = document.documentElement.dataset;
window.heard = [];

function Checkout() {
  const vault = useVault({ publishableKey: key, apiBase });
  const [status, setStatus] = useState("");
  const [complete, setComplete] = useState(false);
  const [times, setTimes] = useState(0);
  const pay = async (event) => {
    event.preventDefault();
    const { token, card } = await vault.tokenize();
    const answer = await fetch("/pay", { method: "POST", body: JSON.stringify({ card: token }) });
    setStatus(`${(await answer.json()).status} with ${card.lastFour}`);
  };
  const hear = (name) => () => heard.push({ name, event: "ready" });
  return (
    <form onSubmit={pay} data-times={times}>
      <CardField id="cardNumber" vault={vault} name="cardNumber" options={{ placeholder: `Number ${times}` }} onReady={hear("cardNumber")}
        onChange={(event) => { setComplete(event.complete); setTimes((times) => times + 1); }} />
      <CardField id="cardExpiry" vault={vault} name="cardExpiry" onReady={hear("cardExpiry")} />
      <CardField id="cardCvc" vault={vault} name="cardCvc" onReady={hear("cardCvc")} />
      <button disabled={!complete}>Pay</button>
      <p role="status">{status}</p>
    </form>
  );
}

createRoot(document.querySelector("main")).render(<StrictMode><Checkout /></StrictMode>);
