// Binary data of tensors both ways: what is encoded decodes to the same bits, and what does not fit is refused by name.

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { decodeBinaryData, decodeText } from "./binary-decode.ts";
import { encodeBinaryData } from "./binary-encode.ts";
import { bytesOf, DATATYPES, type Datatype, elementBytes, typedView } from "./datatypes.ts";

const text = fc.string({ unit: "grapheme" }).filter((value) => !value.includes("\0") && value.isWellFormed());

describe("round trip of any data", () => {
  const fixed = DATATYPES.filter((datatype) => datatype !== "BYTES");

  test.each(fixed)("%s lies where it was", (datatype) => {
    const size = elementBytes(datatype);
    const anyBytes = fc
      .uint8Array({ maxLength: 64, max: datatype === "BOOL" ? 1 : 255 })
      .map((bytes) => bytes.subarray(0, bytes.length - (bytes.length % size)));
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        const data = decodeBinaryData(datatype, bytes.length / size, bytes, "x");
        expect(data).toBe(bytes);
        expect(encodeBinaryData({ data })).toBe(bytes);
      }),
    );
  });

  test("BYTES", () => {
    fc.assert(
      fc.property(fc.array(text), (texts) => {
        expect(decodeBinaryData("BYTES", texts.length, encodeBinaryData({ data: texts }), "x")).toEqual(texts);
      }),
      { numRuns: 500 },
    );
  });

  test("BYTES from a part of a larger body", () => {
    const body = Buffer.concat([Buffer.from("head"), encodeBinaryData({ data: ["ä", "", "b"] }), Buffer.from("tail")]);
    expect(decodeBinaryData("BYTES", 3, body.subarray(4, -4), "x")).toEqual(["ä", "", "b"]);
  });
});

describe("the form that other programs write", () => {
  const cases: [string, Datatype, number, string, unknown][] = [
    // numpy.array([1, -2, 3.5], dtype="<f4").tobytes().hex(), and so on
    ["FP32", "FP32", 3, "0000803f000000c000006040", Float32Array.of(1, -2, 3.5)],
    ["INT64", "INT64", 1, "feffffffffffffff", BigInt64Array.of(-2n)],
    ["UINT16", "UINT16", 2, "0100ff00", Uint16Array.of(1, 255)],
    ["FP16", "FP16", 1, "003c", Uint16Array.of(0x3c00)],
  ];
  test.each(cases)("%s", (...[, datatype, count, hex, expected]) => {
    const data = decodeBinaryData(datatype, count, Buffer.from(hex, "hex"), "x") as Uint8Array;
    expect(typedView(datatype as "FP32", data)).toEqual(expected);
  });

  test("BYTES", () => {
    expect(Buffer.from(encodeBinaryData({ data: ["ab", "", "ä"] })).toString("hex")).toBe(
      "0200000061620000000002000000c3a4",
    );
  });
});

function withLengths(...parts: (string | number[])[]): Buffer {
  return Buffer.concat(
    parts.map((part) => {
      const bytes = Buffer.from(part as string);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return Buffer.concat([length, bytes]);
    }),
  );
}

type Refusal = [name: string, datatype: Datatype, count: number, bytes: Uint8Array, message: RegExp];

describe("refused by name", () => {
  const exact = /x: its binary data must be 2 element\(s\) of BYTES in exactly \d+ bytes/;
  const cases: Refusal[] = [
    ["too few bytes", "FP32", 2, new Uint8Array(7), /x: its binary data has 7 bytes; 2 element\(s\) of FP32 take 8/],
    ["too many bytes", "INT64", 1, new Uint8Array(9), /x: its binary data has 9 bytes; 1 element\(s\) of INT64 take 8/],
    ["bytes for no elements", "FP16", 0, new Uint8Array(2), /has 2 bytes; 0 element\(s\) of FP16 take 0/],
    ["a boolean that is neither", "BOOL", 2, Uint8Array.of(1, 2), /x: element 1 of its binary data is 2; BOOL takes 0/],
    ["a text too few", "BYTES", 2, withLengths("a"), exact],
    ["a text too many", "BYTES", 2, withLengths("a", "b", "c"), exact],
    ["a text cut off", "BYTES", 2, withLengths("a", "bcd").subarray(0, -1), exact],
    ["a length cut off", "BYTES", 2, Buffer.concat([withLengths("abcdefgh"), Buffer.alloc(3)]), exact],
    ["a length beyond the end", "BYTES", 2, Buffer.from("ffffffff0000000000", "hex"), exact],
    [
      "more texts than memory",
      "BYTES",
      2 ** 40,
      withLengths("a"),
      /must be 1099511627776 element\(s\) of BYTES in exactly 5/,
    ],
    [
      "a text with NUL",
      "BYTES",
      2,
      withLengths("a", "b\0c"),
      /x: element 1 is no text; BYTES takes valid UTF-8 without NUL/,
    ],
    [
      "no UTF-8",
      "BYTES",
      2,
      withLengths("a", [0xff, 0xd8]),
      /x: element 1 is no text; BYTES takes valid UTF-8 without NUL/,
    ],
    ["half a character", "BYTES", 1, withLengths([0xc3]), /x: element 0 is no text/],
  ];
  test.each(cases)("%s", (...[, datatype, count, bytes, message]) => {
    expect(() => decodeBinaryData(datatype, count, bytes, "x")).toThrow(message);
  });

  test("any bytes: texts or a refusal, and what is taken encodes to the same bytes", () => {
    const anyBytes = fc.oneof(fc.uint8Array(), fc.uint8Array({ max: 3, maxLength: 40 }));
    fc.assert(
      fc.property(fc.nat(6), anyBytes, (count, bytes) => {
        let decoded: readonly string[];
        try {
          decoded = decodeBinaryData("BYTES", count, bytes, "x") as readonly string[];
        } catch (error) {
          expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
          return;
        }
        expect(decoded).toHaveLength(count);
        expect([...encodeBinaryData({ data: decoded })]).toEqual([...bytes]);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("a text without a length", () => {
  test("the replacement character itself is a text", () => {
    expect(decodeText(Buffer.from("a\ufffdb"), "x")).toBe("a\ufffdb");
  });

  test.each([
    ["NUL", [0x61, 0]],
    ["no UTF-8", [0xff]],
  ])("refused: %s", (_name, bytes) => {
    expect(() => decodeText(Uint8Array.from(bytes), "x")).toThrow(/^x is no text/);
  });
});

test("typed data of any alignment", () => {
  const memory = new Uint8Array(13);
  memory.set(bytesOf(Float32Array.of(1, 2, 3)), 1);
  const data = decodeBinaryData("FP32", 3, memory.subarray(1), "x") as Uint8Array;
  expect([...typedView("FP32", data)]).toEqual([1, 2, 3]);
});
