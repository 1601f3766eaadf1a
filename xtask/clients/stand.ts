// Where the steps go, and how they fail.

declare const process: { env: Record<string, string | undefined>; exitCode: number };

function named(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}

export const url = named("PANVAULT_URL");
export const apiKey = named("PANVAULT_API_KEY");
export const organisation = named("PANVAULT_ORGANISATION");
export const account = named("PANVAULT_ACCOUNT");

export function holds(what: string, fact: unknown): asserts fact {
  if (!fact) throw new Error(`not so: ${what}`);
}

/** Runs the steps; what one of them throws is said and fails the process. */
export function run(steps: () => Promise<void>, name: string): void {
  steps().then(
    () => console.log(`${name}: the steps of the page, and a decline`),
    (error: unknown) => {
      console.error(error);
      process.exitCode = 1;
    },
  );
}
