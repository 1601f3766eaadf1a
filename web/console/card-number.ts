// What must stand in no address: a card number that was pasted into the wrong box.

const DIGITS_MIN = 12;
const DIGITS_MAX = 19;
/** Behind a number may stand its CVV or its expiry. */
const BEHIND = [0, 3, 4];

/** Whether a text holds digits that are written as a card number is. The vault looks closer: it refuses what gets past this. */
export function holdsCardNumber(text: string): boolean {
  // Ids are hexadecimal: digits beside letters are no card number.
  const runs = text.normalize("NFKC").match(/(?<![0-9A-Za-z])\d(?:[ .\-/]?\d)+(?![0-9A-Za-z])/g) ?? [];
  return runs.map((run) => run.replace(/\D/g, "")).some((digits) => BEHIND.some((behind) => isCardNumber(digits.slice(0, digits.length - behind))));
}

function isCardNumber(digits: string): boolean {
  return digits.length >= DIGITS_MIN && digits.length <= DIGITS_MAX && !digits.startsWith("0") && isChecked(digits);
}

/** The check digit (ISO/IEC 7812-1, annex B). */
function isChecked(digits: string): boolean {
  let sum = 0;
  for (const [at, digit] of [...digits].reverse().entries()) sum += at % 2 === 0 ? Number(digit) : Number(digit) * 2 - (Number(digit) > 4 ? 9 : 0);
  return sum % 10 === 0;
}
