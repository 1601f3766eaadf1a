// The other frames of the same form. They are of the vault's own origin, so they are asked directly: nothing that was typed
// is ever a message, and the page has no part in it.

import type { Part } from "./part";

/** What a frame is to its siblings. */
export interface Sibling {
  readonly channel: string;
  readonly parts: readonly Part[];
  /** The brand of the number, or whether there is one, is another now. */
  refresh(): void;
}

declare global {
  interface Window {
    panvaultFrame?: Sibling;
  }
}

/** Lets the siblings find this frame. */
export function join(own: Sibling): void {
  window.panvaultFrame = own;
}

/** This frame, then every other one of the same page, channel, key and version. */
export function family(own: Sibling): Sibling[] {
  const found = [own];
  const { parent } = window;
  for (let at = 0; at < parent.length; at += 1) {
    const sibling = siblingOf(parent[at]);
    if (sibling && sibling !== own && sibling.channel === own.channel) found.push(sibling);
  }
  return found;
}

function siblingOf(other: Window | undefined): Sibling | undefined {
  try {
    if (!other) return undefined;
    // With another key in its address, a frame is of another shop, though it is in the same page.
    const { origin, pathname, search } = other.location;
    const isSame = origin === location.origin && pathname === location.pathname && search === location.search;
    return isSame ? other.panvaultFrame : undefined;
  } catch {
    // Of another origin: it can be asked nothing.
    return undefined;
  }
}
