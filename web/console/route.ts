// Where one is: #/transactions/ID?status=DECLINED. Nothing that is secret or a person's stands there.
import { useEffect, useState } from "preact/hooks";

export interface Route {
  readonly path: readonly string[];
  readonly query: Readonly<Record<string, string>>;
}

export function read(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
  const names = path.split("/").filter((name) => name !== "").map((name) => decode(name));
  return { path: names, query: Object.fromEntries(new URLSearchParams(query)) };
}

export function href(path: readonly string[], query: Readonly<Record<string, string>> = {}): string {
  const text = new URLSearchParams(query).toString();
  return `#/${path.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}

export function go(to: string): void {
  location.hash = to;
}

/** The same place with another query: no step of its own in the history. */
export function replaceQuery(query: Readonly<Record<string, string>>): void {
  history.replaceState(null, "", href(read(location.hash).path, query));
  window.dispatchEvent(new HashChangeEvent("hashchange"));
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => read(location.hash));
  useEffect(() => {
    const moved = () => setRoute(read(location.hash));
    window.addEventListener("hashchange", moved);
    return () => window.removeEventListener("hashchange", moved);
  }, []);
  return route;
}

function decode(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
