// A shop: pages and a server of another origin than the vault's.
import { createServer } from "node:http";

/** Serves what `pages` has by path, or by a function of the body; `close` ends it. `host` is `localhost` or `127.0.0.1`. */
export async function serve(pages, { host = "localhost", headers = {} } = {}) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://shop");
    const page = pages[pathname];
    if (page === undefined) return response.writeHead(404).end();
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    try {
      const body = typeof page === "function" ? await page(Buffer.concat(chunks).toString(), request) : page;
      const type = body.type ?? (typeof body !== "string" ? "application/json" : pathname.endsWith(".js") ? "text/javascript" : "text/html");
      response.writeHead(200, { "Content-Type": `${type}; charset=utf-8`, ...headers, ...body.headers });
      response.end(body.text ?? (typeof body === "string" ? body : JSON.stringify(body)));
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://${host}:${server.address().port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** What a shop's page needs of its policy for the fields, and no more. */
export function policy(vault) {
  return `default-src 'none'; script-src 'self' ${vault}; frame-src ${vault}; connect-src 'self' ${vault}; style-src 'self'; img-src data:; form-action 'self'`;
}

/** A page with fields. */
export function page({ vault, hash, version, before, body, script }) {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shop</title><meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,"><link rel="stylesheet" href="/shop.css">${before}
<script src="${vault}/js/${version}/panvault.js" integrity="${hash}" crossorigin="anonymous"></script>
<script src="${script}" defer></script></head><body><main><h1>Shop</h1>${body}</main></body></html>`;
}
