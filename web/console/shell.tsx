// Around every screen: where one can go, and who one is.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { words } from "./format";
import { Empty, Heading } from "./parts/bits";
import { go, href, useRoute } from "./route";
import { CardScreen, CardsScreen } from "./screens/cards";
import { CheckoutScreen, CheckoutsScreen } from "./screens/checkouts";
import { Overview } from "./screens/overview";
import { Setup, SETUP_SECTIONS } from "./screens/setup";
import { Terminal } from "./screens/terminal";
import { Trail } from "./screens/trail";
import { RefundScreen, RefundsScreen, TransactionScreen, TransactionsScreen } from "./screens/transactions";
import { useSession, type Session } from "./session";
import { chooseTheme, theme, THEMES, type Theme } from "./theme";

interface Place {
  readonly path: string;
  readonly title: string;
  /** Operations of which one suffices; all of them where `every` is set. */
  readonly needs: readonly string[];
  readonly every?: boolean;
  show(rest: readonly string[]): JSX.Element;
}

const PLACES: readonly Place[] = [
  { path: "overview", title: "Overview", needs: ["status_read"], show: () => <Overview /> },
  { path: "cards", title: "Cards", needs: ["card_list"], show: ([id]) => (id ? <CardScreen key={id} id={id} /> : <CardsScreen />) },
  { path: "transactions", title: "Transactions", needs: ["transaction_list"], show: ([id]) => (id ? <TransactionScreen key={id} id={id} /> : <TransactionsScreen />) },
  { path: "refunds", title: "Refunds", needs: ["refund_list"], show: ([id]) => (id ? <RefundScreen key={id} id={id} /> : <RefundsScreen />) },
  { path: "checkouts", title: "Checkouts", needs: ["checkout_list"], show: ([id]) => (id ? <CheckoutScreen key={id} id={id} /> : <CheckoutsScreen />) },
  { path: "terminal", title: "Terminal", needs: ["card_create", "transaction_create", "account_list"], every: true, show: () => <Terminal /> },
  { path: "setup", title: "Set-up", needs: SETUP_SECTIONS.map((section) => section.needs), show: (rest) => <Setup rest={rest} /> },
  { path: "trail", title: "Trail", needs: ["audit_list"], show: () => <Trail /> },
];

export function allowed({ may }: Session): readonly Place[] {
  return PLACES.filter(({ needs, every }) => (every ? needs.every(may) : needs.some(may)));
}

export function Shell() {
  const session = useSession();
  const { path } = useRoute();
  const places = allowed(session);
  const main = useRef<HTMLElement>(null);
  const place = places.find((each) => each.path === path[0]);

  useEffect(() => {
    const [first] = places;
    if (path.length === 0 && first) go(href([first.path]));
  }, [path.length]);
  // A new screen is announced, and read from its heading on; the address changes with every filter, which is no new screen.
  const screen = path.join("/");
  useEffect(() => {
    document.title = `${place?.title ?? "Panvault"} · Panvault console`;
    main.current?.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }, [screen]);

  return (
    <div class="shell">
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); main.current?.focus(); }}>Skip to the content</a>
      <aside>
        <p class="brand">Panvault <span class={`badge ${session.caller.mode === "live" ? "live" : "open"}`}>{session.caller.mode}</span></p>
        <nav aria-label="Screens">
          <ul>{places.map((each) => <li key={each.path}><a href={href([each.path])} aria-current={each === place ? "page" : undefined}>{each.title}</a></li>)}</ul>
        </nav>
        <Who />
      </aside>
      <main id="main" ref={main} tabIndex={-1}>
        {place ? place.show(path.slice(1)) : <Nowhere places={places} path={path} />}
      </main>
    </div>
  );
}

function Nowhere({ places, path }: { places: readonly Place[]; path: readonly string[] }) {
  if (places.length === 0) {
    return <><Heading title="Nothing to see here" /><Empty title="The roles of this key have no screen in the console"><p>Sign in with a key of another role, such as MerchantUser to look, or MerchantAdmin to change.</p></Empty></>;
  }
  if (path.length === 0) return <></>;
  return <><Heading title="There is no such screen" /><Empty title="Or the roles of this key do not show it"><p>Choose one of the screens in the menu.</p></Empty></>;
}

function Who() {
  const { caller, signOut } = useSession();
  const [chosen, setChosen] = useState<Theme>(theme);
  const choose = (next: Theme) => {
    chooseTheme(next);
    setChosen(next);
  };
  return (
    <div class="who">
      <p><strong>{caller.organisation_name}</strong><br /><span class="muted">{caller.roles.join(", ")}</span></p>
      <label for="theme">Colours</label>
      <select id="theme" value={chosen} onChange={(event) => choose(event.currentTarget.value as Theme)}>
        {THEMES.map((each) => <option key={each} value={each}>{words(each)}</option>)}
      </select>
      <button type="button" onClick={signOut}>Sign out</button>
    </div>
  );
}
