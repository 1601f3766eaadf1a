// What a shop's page gives and gets. Nothing here holds a digit of a card but `lastFour`, which is told once, with the token.

/** What a frame holds: one part of a card, or number, expiry and CVC together. */
export type FieldName = "cardNumber" | "cardExpiry" | "cardCvc" | "cardHolder" | "card";

/** Whose vault, and how it talks. */
export interface Options {
  /** A key that browsers may have: `pv_pub_…`. */
  publishableKey?: string;
  /** Without a key: an organisation that takes cards from its pages without one. */
  organisation?: string;
  /** Instead of both, in the vault's own page for shoppers: the checkout that the card is for. */
  checkout?: string;
  /** Of the vault's own console alone, on its own origin: the key of whoever is signed in, which goes to the frames by their ports and into no address. */
  apiKey?: string;
  /** Where the vault is, such as `https://vault.example`. Of a script that a page loads it is where that came from. */
  apiBase?: string;
  /** A language tag. That of the page by default, then that of the browser; English where there are no texts. */
  locale?: string;
}

/** Properties of CSS, as in `style` of an element: `fontSize: "16px"`. What may not be set is left out. */
export type StyleRules = Readonly<Record<string, string>>;

/** How a field looks, in each of its states. */
export interface FieldStyle {
  base?: StyleRules;
  focus?: StyleRules;
  complete?: StyleRules;
  empty?: StyleRules;
  invalid?: StyleRules;
  placeholder?: StyleRules;
}

/** How a field is shown. */
export interface FieldOptions {
  placeholder?: string;
  /** What a screen reader says instead of the label in the page's language. */
  ariaLabel?: string;
  style?: FieldStyle;
  /** Brands that the shop takes, by the names of the API: `["Visa", "Mastercard"]`. All by default. */
  brands?: readonly string[];
  /** Of a `cardCvc` that stands alone: the brand of its card, so that it takes as many digits as that has. */
  brand?: string;
  disabled?: boolean;
  /** Of a `cardHolder`: it may be left empty. */
  optional?: boolean;
}

/** Why a field is not complete. */
export interface FieldError {
  code: "incomplete" | "invalid" | "brand" | "expired";
  /** For the shopper, in the field's language. */
  message: string;
}

/** The state of a field. It is told once for each change of it, not for each key. */
export interface FieldEvent {
  field: FieldName;
  empty: boolean;
  complete: boolean;
  error: FieldError | null;
  /** As the API names it, once the number shows it. */
  brand: string | null;
}

/** What went wrong, for the program. */
export type VaultErrorCode =
  | "frame_blocked"
  | "key"
  | "origin"
  | "incomplete"
  | "invalid"
  | "api"
  | "network"
  | "destroyed";

/** What went wrong. No message has a value that was typed. */
export interface VaultError extends Error {
  readonly code: VaultErrorCode;
  /** The field at fault, of `incomplete` and `invalid`, and of `api` where it is about one. */
  readonly field?: FieldName;
  /** The API's own code, status and request id, of `api`. */
  readonly apiCode?: number;
  readonly status?: number;
  readonly requestId?: string;
}

/** What is heard of a field. */
export interface FieldEvents {
  ready: undefined;
  change: FieldEvent;
  focus: undefined;
  blur: undefined;
  /** Enter was pressed in it. */
  submit: undefined;
  error: VaultError;
}

/** One frame of the vault in the shop's page. */
export interface Field {
  readonly name: FieldName;
  /** Puts the frame into an element, which must be empty and may have a label of its own. */
  mount(place: string | Element): Field;
  /** Changes how it is shown. */
  update(options: FieldOptions): void;
  clear(): void;
  focus(): void;
  blur(): void;
  /** Takes the frame, and what was typed, out of the page. It may be mounted again. */
  unmount(): void;
  /** The same, for good. */
  destroy(): void;
  /** Returns what ends the listening. */
  on<Name extends keyof FieldEvents>(name: Name, listener: (event: FieldEvents[Name]) => void): () => void;
}

/** A card as the vault answers a browser. */
export interface Card {
  brand: string | null;
  lastFour: string;
  expiryMonth: string;
  expiryYear: string;
}

/** A card that is in the vault now. */
export interface Tokenized {
  /** Its `_id`, which the shop's server pays with. */
  token: string;
  card: Card;
}

/** A card that a checkout has now. Its token is not the page's to know. */
export interface Bound {
  card: Pick<Card, "brand" | "lastFour">;
}

/** How a card is put into the vault. */
export interface TokenizeOptions {
  /** Who owns the card: that of the key by default. */
  organisation?: string;
  /** A UUID of version 4, if the page has one. A request that is repeated with it makes no second card. */
  idempotencyKey?: string;
}

/** The fields of one card form. */
export interface Vault {
  create(name: FieldName, options?: FieldOptions): Field;
  /** Puts the card that was typed into the vault. Rejects with a `VaultError`. */
  tokenize(options?: TokenizeOptions): Promise<Tokenized>;
  /** Of a checkout, in place of `tokenize`: it pays with the card that was typed. Rejects with a `VaultError`. */
  bind(): Promise<Bound>;
  /** Puts the CVV that was typed on a card of the vault. Rejects with a `VaultError`. */
  updateCvv(card: string, options?: TokenizeOptions): Promise<Tokenized>;
  /** Takes every field out of the page. What is under way is rejected with `destroyed`. */
  destroy(): void;
}
