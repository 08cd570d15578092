// Reads Kubernetes quantities such as `200m`, `1.5` and `512Mi`.

const multipliers: Readonly<Record<string, number>> = {
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

/** @throws Error for text that is no quantity; the API server refuses such text, so it never comes from an object. */
export function parseQuantity(text: string): number {
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([numkMGTPE]?|[KMGTPE]i)$/.exec(text.trim());
  const multiplier = multipliers[match?.[2] ?? ""];
  if (match?.[1] === undefined || multiplier === undefined) {
    throw new Error(`"${text}" is no quantity: use a number with an optional unit such as m, k, M, Ki, Mi or Gi`);
  }
  return Number(match[1]) * multiplier;
}
