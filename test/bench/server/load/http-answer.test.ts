// Answers in whatever pieces they arrive.

import fc from "fast-check";
import { expect, test } from "vitest";
import { AnswerReader } from "./http-answer.ts";

const answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\nhello\r\n\r\nyo";
const rejection = "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

test("answers are complete exactly when their last byte is there, however they are cut", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (sizes) => {
      const reader = new AnswerReader();
      for (const [text, head] of [
        [answer, { status: 200, closes: false }],
        [rejection, { status: 503, closes: true }],
        [answer, { status: 200, closes: false }],
      ] as const) {
        let offset = 0;
        for (let index = 0; offset < text.length; index += 1) {
          const size = sizes[index % sizes.length] ?? 1;
          const seen = reader.read(Buffer.from(text.slice(offset, offset + size)));
          offset += size;
          expect(seen).toEqual(offset >= text.length ? head : undefined);
        }
      }
    }),
  );
});

test.each([
  ["no content length", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", "no content length"],
  ["no HTTP", "SSH-2.0\r\n\r\n", "no status"],
  ["more than was said", `${answer}!`, "longer than its content length"],
  ["endless headers", `HTTP/1.1 200 OK\r\nx: ${"y".repeat(20_000)}`, "longer than 16384 bytes"],
])("%s: an error", (_name, text, message) => {
  expect(() => new AnswerReader().read(Buffer.from(text))).toThrow(message);
});
