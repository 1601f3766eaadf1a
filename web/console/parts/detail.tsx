// One object, loaded and shown again when something was done to it.
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Row } from "../api";
import { useLoad, useSession } from "../session";
import { Empty, Fault, Heading } from "./bits";

interface DetailProps {
  /** As a sentence has it: `card`. */
  one: string;
  path: string;
  back: string;
  many: string;
  version?: number;
  children(row: Row, reload: () => void): JSX.Element;
}

export function Detail({ one, path, back, many, version = 0, children }: DetailProps) {
  const { api } = useSession();
  const { value, failure, loading, reload } = useLoad((signal) => api.read(path, signal), [path, version]);
  // The heading that said "Loading" had the focus, and is gone.
  const within = useRef<HTMLDivElement>(null);
  const isLoaded = value !== undefined;
  useEffect(() => {
    if (isLoaded && document.activeElement === document.body) within.current?.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
  }, [isLoaded]);
  return (
    <div ref={within} aria-busy={loading}>
      <p class="back"><a href={back}>← {many}</a></p>
      {!value && <Heading title={failure?.status === 404 ? `There is no such ${one}` : loading ? "Loading…" : "It could not be loaded"} />}
      {failure?.status === 404 && <Empty title="It was deleted, or belongs to somebody else"><p>Look for it in the <a href={back}>list</a>.</p></Empty>}
      {failure && failure.status !== 404 && <Fault failure={failure} retry={reload} />}
      {value && failure?.status !== 404 && children(value, reload)}
    </div>
  );
}
