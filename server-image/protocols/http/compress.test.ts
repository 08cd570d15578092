// Compressed answers: which encoding a client gets, when an answer stays as it is, and that it reads back the same.

import { deflateSync, gunzipSync, gzipSync, inflateSync } from "node:zlib";

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { chooseEncoding, compressAnswer } from "./compress.ts";
import type { HttpAnswer } from "./exchange.ts";

describe("the client's choice", () => {
  test.each([
    ["gzip", "gzip"],
    ["deflate", "deflate"],
    ["gzip, deflate", "gzip"],
    ["deflate, gzip", "deflate"],
    ["gzip, deflate, br, zstd", "gzip"],
    ["br", "identity"],
    ["", "identity"],
    ["identity", "identity"],
    ["*", "gzip"],
    ["GZIP", "gzip"],
    ["x-gzip", "gzip"],
    ["gzip;q=0.5, deflate;q=0.8", "deflate"],
    ["gzip;q=0.5, identity", "identity"],
    ["gzip;q=0", "identity"],
    ["gzip; q=1.000, deflate;q=0.999", "gzip"],
    ["gzip;q=high", "identity"],
    [",,;", "identity"],
  ])("%s: %s", (header, encoding) => {
    expect(chooseEncoding(header)).toBe(encoding);
  });
});

const HEADERS = { "content-type": "application/octet-stream", "Inference-Header-Content-Length": "9" };

function inflate({ body }: HttpAnswer, encoding: "gzip" | "deflate"): Buffer {
  const bytes = Buffer.concat(body as readonly Uint8Array[]);
  return encoding === "gzip" ? gunzipSync(bytes) : inflateSync(bytes);
}

describe("an answer", () => {
  test("in any parts reads back the same", async () => {
    const anyParts = fc.array(fc.uint8Array({ maxLength: 2000 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(anyParts, fc.constantFrom("gzip" as const, "deflate" as const), async (parts, encoding) => {
        const body = [...parts, Buffer.alloc(1400)];
        const answer = await compressAnswer({ status: 200, body }, encoding);
        expect(answer.headers?.["content-encoding"]).toBe(encoding);
        expect(inflate(answer, encoding).equals(Buffer.concat(body))).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  test("keeps its status and headers", async () => {
    const answer = await compressAnswer({ status: 400, headers: HEADERS, body: "x".repeat(5000) }, "deflate");
    expect(answer).toMatchObject({
      status: 400,
      headers: { ...HEADERS, "content-encoding": "deflate", vary: "accept-encoding" },
    });
    expect(inflate(answer, "deflate").toString()).toBe("x".repeat(5000));
  });

  test("is compressed to about the size that the library makes of the whole", async () => {
    const text = Buffer.from(Array.from({ length: 20_000 }, (_, index) => Math.sqrt(index).toFixed(5)).join());
    for (const [encoding, whole] of [
      ["gzip", gzipSync(text, { level: 1 })],
      ["deflate", deflateSync(text, { level: 1 })],
    ] as const) {
      const { body } = await compressAnswer({ status: 200, body: text }, encoding);
      expect(Buffer.concat(body as readonly Uint8Array[]).length).toBeLessThan(1.01 * whole.length);
    }
  });

  test.each([
    ["a small one", "x".repeat(1399), "gzip"],
    ["one for a client that takes neither", "x".repeat(5000), "br"],
    ["one for a client that forbids it", "x".repeat(5000), "gzip;q=0"],
  ])("stays as it is: %s", async (_name, body, header) => {
    const answer: HttpAnswer = { status: 200, headers: HEADERS, body };
    expect(await compressAnswer(answer, header)).toBe(answer);
  });
});
