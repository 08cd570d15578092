// Kubernetes quantities ("250m", "1Gi", 5) as numbers.

const suffixes: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

const form = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?)$/;

/** The value of a quantity in its base unit, or undefined when the text is not one. */
export function parseQuantity(quantity: string | number): number | undefined {
  if (typeof quantity === "number") return Number.isFinite(quantity) ? quantity : undefined;
  const match = form.exec(quantity);
  if (match === null) return undefined;
  const [, digits = "", exponent = "", suffix = ""] = match;
  if (exponent !== "") return Number(digits + exponent);
  return Number(digits) * (suffixes[suffix] ?? 1);
}

/** A number as a quantity in thousandths, the form in which HPAs exchange metric values. Rounded up: demand is never understated. */
export function milliQuantity(value: number): string {
  const milli = Math.ceil(Math.round(value * 1e6) / 1e3);
  return milli % 1000 === 0 ? String(milli / 1000) : `${milli}m`;
}
