// What a page can do without our script: make a frame, greet it as it likes, and ask it what it likes.
window.got = [];
window.addEventListener("message", (event) => got.push({ data: event.data, origin: event.origin, ports: event.ports.length }));
window.frameOf = (src) => new Promise((resolve) => {
  const frame = document.createElement("iframe");
  frame.addEventListener("load", () => resolve(frame), { once: true });
  frame.src = src;
  document.body.append(frame);
});
/** Sends a greeting; answers the port that comes back. */
window.greet = (frame, origin, channel) => new Promise((resolve) => {
  window.addEventListener("message", function listen(event) {
    if (event.source !== frame.contentWindow || !event.ports[0]) return;
    window.removeEventListener("message", listen);
    resolve(event.ports[0]);
  });
  frame.contentWindow.postMessage({ panvault: "hello", channel }, origin);
});
/** Asks, and answers the first outcome. */
window.ask = (port, asked) => new Promise((resolve) => {
  port.onmessage = ({ data }) => {
    if (data.is === "done" || data.is === "failed") resolve(data);
  };
  port.postMessage(asked);
});
