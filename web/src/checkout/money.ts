// Amounts as people write them.

/** Digits behind the point that are not two (ISO 4217). What a browser knows of them is what people write, which for some currencies is fewer. */
const EXPONENTS: Readonly<Record<number, string>> = {
  0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
  3: "BHD IQD JOD KWD LYD OMR TND",
  4: "CLF UYW",
};

/** An amount of minor units, in the manner of a language. */
export function money(amount: number, currency: string, locale: string): string {
  const exponent = exponentOf(currency);
  const format = new Intl.NumberFormat(locale, { style: "currency", currency, minimumFractionDigits: exponent, maximumFractionDigits: exponent });
  return format.format(amount / 10 ** exponent);
}

function exponentOf(currency: string): number {
  const found = Object.entries(EXPONENTS).find(([, currencies]) => currencies.split(" ").includes(currency));
  return found ? Number(found[0]) : 2;
}
