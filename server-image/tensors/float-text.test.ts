// FP32 numbers as text: each reads back as itself, and the text is what a person would write.

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { FloatTextWriter, MAX_FLOAT_TEXT_BYTES } from "./float-text.ts";

function textOf(value: number): string {
  const out = new Uint8Array(MAX_FLOAT_TEXT_BYTES);
  const writer = new FloatTextWriter(Float32Array.of(value), out);
  writer.writeElement(0);
  expect(writer.at).toBeLessThanOrEqual(MAX_FLOAT_TEXT_BYTES);
  return Buffer.from(out.subarray(0, writer.at)).toString("latin1");
}

function fromBits(bits: number): number {
  return new Float32Array(Uint32Array.of(bits).buffer)[0] as number;
}

describe("written as a person would", () => {
  test.each([
    [0, "0"],
    [-0, "-0"],
    [1, "1"],
    [-2, "-2"],
    [0.5, "0.5"],
    [0.1, "0.1"],
    [-12.25, "-12.25"],
    [0.00001, "0.00001"],
    [1e-6, "1e-6"],
    [123456792, "123456792"],
    [1e9, "1e9"],
    [2.5e9, "2.5e9"],
    [3.4028234663852886e38, "3.4028235e38"],
    [Number.NaN, "NaN"],
    [Number.NEGATIVE_INFINITY, "-Infinity"],
  ])("%d is %s", (value, text) => {
    expect(textOf(Math.fround(value))).toBe(text);
  });
});

describe("reads back as itself", () => {
  const finite = fc
    .integer({ min: 0, max: 2 ** 32 - 1 })
    .map(fromBits)
    .filter(Number.isFinite);

  test("any bit pattern", () => {
    fc.assert(
      fc.property(finite, (value) => {
        expect(Math.fround(Number(textOf(value)))).toBe(value);
      }),
      { numRuns: 5000 },
    );
  });

  test("powers of two and their neighbours, where the distance between numbers changes", () => {
    for (let exponent = 0; exponent < 255; exponent += 1) {
      for (const step of [-1, 0, 1]) {
        const value = fromBits(Math.max(0, (exponent << 23) + step));
        expect(Math.fround(Number(textOf(value)))).toBe(value);
      }
    }
  });

  test("powers of ten and their neighbours, where the number of digits changes", () => {
    for (let exponent = -44; exponent <= 38; exponent += 1) {
      const [bits = 0] = new Uint32Array(Float32Array.of(Number(`1e${exponent}`)).buffer);
      for (const step of [-1, 0, 1]) {
        const value = fromBits(bits + step);
        expect(Math.fround(Number(textOf(value)))).toBe(value);
      }
    }
  });
});
