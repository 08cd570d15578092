// Quantities: what is one, what it is worth, and that a number written as one is never understated.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { milliQuantity, parseQuantity } from "./quantity.ts";

describe("parseQuantity", () => {
  test.each([
    ["a whole number is itself", 5, 5],
    ["digits are a number", "5", 5],
    ["a fraction may start with the point", ".5", 0.5],
    ["a fraction may end with the point", "5.", 5],
    ["m is a thousandth", "250m", 0.25],
    ["u is a millionth", "250u", 0.00025],
    ["n is a billionth", "1n", 1e-9],
    ["k is a thousand", "1.5k", 1500],
    ["E is 10^18, not an exponent", "2E", 2e18],
    ["e introduces an exponent", "2e3", 2000],
    ["E followed by digits introduces an exponent", "2E-3", 0.002],
    ["Ki is 1024", "2Ki", 2048],
    ["Gi is 1024^3", "1Gi", 1_073_741_824],
    ["a sign is read", "-1m", -0.001],
    ["a decimal suffix adds no digits", "1015m", 1.015],
  ])("%s", (_sentence, quantity, value) => {
    expect(parseQuantity(quantity)).toBe(value);
  });

  test.each([
    ["nothing", ""],
    ["a blank before it", " 5"],
    ["a unit that does not exist", "5s"],
    ["K, which Kubernetes spells k", "5K"],
    ["a suffix alone", "Mi"],
    ["an exponent and a suffix", "1e3Ki"],
    ["an exponent without digits", "1e"],
    ["two points", "1.2.3"],
    ["a number in hexadecimal", "0x10"],
    ["the word for not a number", "NaN"],
    ["more than a double holds", "1e400"],
    ["infinity", Number.POSITIVE_INFINITY],
    ["not a number", Number.NaN],
  ])("%s is not a quantity", (_sentence, text) => {
    expect(parseQuantity(text)).toBeUndefined();
  });
});

describe("milliQuantity", () => {
  test.each([
    ["a whole number stays whole", 42, "42"],
    ["zero is zero", 0, "0"],
    ["a fraction is in thousandths", 2.5, "2500m"],
    ["less than a thousandth is rounded up", 0.0004, "1m"],
    ["however little it is, it is not nothing", 4e-9, "1m"],
    ["a bit more than a whole number is not rounded down to it", 30.000_001, "30001m"],
    ["the last digits of a binary fraction are forgiven", 0.1 + 0.2, "300m"],
    ["much is written without thousandths", 1e12 + 0.5, "1000000000001"],
  ])("%s", (_sentence, value, quantity) => {
    expect(milliQuantity(value)).toBe(quantity);
  });

  test("what is read back is not less than what was written, and at most a thousandth more", () => {
    const value = fc.oneof(
      fc.double({ min: 0, max: 1e9, noNaN: true }),
      fc.double({ min: 0, max: 1e300, noNaN: true }),
    );
    fc.assert(
      fc.property(value, (written) => {
        const read = parseQuantity(milliQuantity(written));
        expect(read).toBeGreaterThanOrEqual(written * (1 - 2e-12));
        expect(read).toBeLessThanOrEqual(written < 1e9 ? written + 0.001 + 1e-9 : Math.ceil(written));
      }),
      { numRuns: 1000 },
    );
  });

  test("what is in thousandths already comes back as it was", () => {
    fc.assert(
      fc.property(fc.nat({ max: 1_000_000_000 }), (milli) => {
        expect(parseQuantity(milliQuantity(milli / 1000))).toBe(milli / 1000);
      }),
    );
  });
});
