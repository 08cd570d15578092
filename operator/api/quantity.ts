// Kubernetes quantities ("250m", "1Gi", 5) as numbers.

/** As exponents, since a product would add digits: 1015 * 0.001 is 1.0150000000000001. */
const decimalSuffixes: Readonly<Record<string, string>> = {
  n: "e-9",
  u: "e-6",
  m: "e-3",
  k: "e3",
  M: "e6",
  G: "e9",
  T: "e12",
  P: "e15",
  E: "e18",
};

const binarySuffixes: Readonly<Record<string, number>> = {
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

const form = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?)$/;

/** The value of a quantity in its base unit, or undefined when the text is not one or is beyond what a double holds. */
export function parseQuantity(quantity: string | number): number | undefined {
  const value = typeof quantity === "number" ? quantity : valueOf(quantity);
  return Number.isFinite(value) ? value : undefined;
}

function valueOf(text: string): number {
  const [, digits, exponent = "", suffix = ""] = form.exec(text) ?? [];
  if (digits === undefined) return Number.NaN;
  return Number(digits + exponent + (decimalSuffixes[suffix] ?? "")) * (binarySuffixes[suffix] ?? 1);
}

/** From here on thousandths are noise, and so many of them would one day be written with an exponent, which no suffix may follow. */
const leastWithoutThousandths = 1e9;

/**
 * A finite number from 0 as a quantity in thousandths, the form in which HPAs exchange metric values. Rounded up, so
 * that demand is never understated, but for the last digits of a binary fraction: 0.1 + 0.2 is 300m, not 301m.
 */
export function milliQuantity(value: number): string {
  if (value >= leastWithoutThousandths) return String(Math.ceil(value));
  const milli = Math.ceil(value * 1000 * (1 - 1e-12));
  return milli % 1000 === 0 ? String(milli / 1000) : `${milli}m`;
}
