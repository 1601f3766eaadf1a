// What a page and a frame say to each other. A frame tells states and outcomes, never what was typed.

import type { Bound, FieldEvent, FieldName, FieldOptions, Tokenized, TokenizeOptions, VaultErrorCode } from "./types";

/** The first message, from the page, and the only one that does not go through the port that answers it. */
export interface Hello {
  panvault: "hello";
  channel: string;
}

/** Its answer, with a port. */
export interface Welcome {
  panvault: "welcome";
  channel: string;
  /** What a screen reader says of the frame. */
  title: string;
}

/** What a frame is asked. */
export type Ask =
  // The key that the frame acts with: of the vault's own origin alone.
  | { do: "identify"; key: string }
  | { do: "update"; options: FieldOptions }
  | { do: "clear" }
  | { do: "focus" }
  | { do: "blur" }
  | { do: "tokenize"; call: number; options: TokenizeOptions }
  | { do: "bind"; call: number }
  | { do: "updateCvv"; call: number; card: string; options: TokenizeOptions };

/** What an error is made of. */
export interface Failure {
  code: VaultErrorCode;
  message: string;
  field?: FieldName;
  apiCode?: number;
  status?: number;
  requestId?: string;
}

/** What a frame tells. */
export type Tell =
  | { is: "change"; event: FieldEvent }
  | { is: "height"; pixels: number }
  | { is: "focus" }
  | { is: "blur" }
  | { is: "submit" }
  | { is: "done"; call: number; result: Tokenized | Bound }
  | { is: "failed"; call: number; failure: Failure };

/** A channel is so many random bytes. */
export const CHANNEL_BYTES = 16;
