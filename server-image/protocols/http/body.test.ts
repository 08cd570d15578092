// Compressed request bodies over real HTTP: what is taken, what is refused, and that no body takes more than its limit.

import { once } from "node:events";
import { createServer, request as httpRequest, type IncomingMessage } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { Readable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync } from "node:zlib";

import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";

import { InferenceError } from "../../inference-error.ts";
import { recordingLog } from "../../test-server.ts";
import { readBody } from "./body.ts";
import type { BodyShare } from "./body-budget.ts";
import { type HttpAnswer, type HttpRequest, jsonAnswer } from "./exchange.ts";
import { HttpListener } from "./listener.ts";

vi.setConfig({ testTimeout: 30_000 });

const LIMIT = 100_000;

const listeners: HttpListener[] = [];
const errors: InferenceError[] = [];

afterEach(async () => {
  errors.length = 0;
  await Promise.all(listeners.splice(0).map((listener) => listener.close(0)));
});

/** Answers with the body it read, or with the error's code and message. */
async function listen(): Promise<number> {
  const handle = async (request: HttpRequest): Promise<HttpAnswer> => {
    try {
      return { status: 200, body: await request.readBody() };
    } catch (error) {
      errors.push(error as InferenceError);
      const { code, message } = error as InferenceError;
      return jsonAnswer(400, { code, message });
    }
  };
  const options = {
    maxBodyBytes: LIMIT,
    maxConnections: () => 100,
    clock: () => 0,
    random: () => 0.5,
    log: recordingLog().log,
  };
  const listener = new HttpListener({ handle, ...options });
  listeners.push(listener);
  return listener.listen(0);
}

interface Answer {
  readonly status: number | undefined;
  readonly body: Buffer;
}

/** The body's parts are sent one by one, chunked, unless there is only one. */
async function post(port: number, encoding: string, ...parts: Buffer[]): Promise<Answer> {
  const headers = { "content-encoding": encoding };
  const request = httpRequest({ port, method: "POST", headers });
  // It may come before the last part is sent.
  const responded = once(request, "response");
  for (const part of parts.slice(0, -1)) {
    request.write(part);
    await setImmediate();
  }
  request.end(parts.at(-1));
  const [response] = (await responded) as [IncomingMessage];
  return { status: response.statusCode, body: Buffer.concat((await response.toArray()) as Buffer[]) };
}

const TEXT = Buffer.from("the quick brown fox ".repeat(1000));

describe("taken", () => {
  const gzipped = gzipSync(TEXT);
  const cases: [string, string, Buffer[]][] = [
    ["gzip", "gzip", [gzipped]],
    ["gzip by its old name, in capitals", "X-GZIP", [gzipped]],
    ["gzip in many small chunks", "gzip", Array.from(gzipped, (byte) => Buffer.of(byte))],
    ["gzip in two members", "gzip", [gzipSync(TEXT.subarray(0, 7)), gzipSync(TEXT.subarray(7))]],
    ["deflate", "deflate", [deflateSync(TEXT)]],
    ["uncompressed, said so", "identity", [TEXT]],
    ["uncompressed, in two chunks", "", [TEXT.subarray(0, 10), TEXT.subarray(10)]],
  ];
  test.each(cases)("%s", async (_name, encoding, parts) => {
    const { status, body } = await post(await listen(), encoding, ...parts);
    expect(status).toBe(200);
    expect(body.equals(TEXT)).toBe(true);
  });

  test("exactly as long as the limit", async () => {
    const { body } = await post(await listen(), "gzip", gzipSync(Buffer.alloc(LIMIT)));
    expect(body.length).toBe(LIMIT);
  });

  test("nothing", async () => {
    const { status, body } = await post(await listen(), "gzip", gzipSync(""));
    expect([status, body.length]).toEqual([200, 0]);
  });
});

describe("refused", () => {
  const tooLarge = "the request body is larger than 100000 bytes, which is the limit";
  const notGzip = "the body is not valid gzip data, which its Content-Encoding says it is";
  const notDeflate = notGzip.replace("gzip", "deflate");
  const unsupported = (name: string) =>
    `Content-Encoding "${name}" is not supported; send the body as gzip, deflate or uncompressed`;
  const noise = Buffer.from(Array.from({ length: LIMIT }, (_, index) => (index * index * 31) % 251));
  const stored = gzipSync(noise, { level: constants.Z_NO_COMPRESSION });
  const wrongChecksum = gzipSync(TEXT);
  wrongChecksum.fill(0, wrongChecksum.length - 8);
  const cases: [string, string, Buffer[], string, string][] = [
    ["one byte more than the limit", "gzip", [gzipSync(Buffer.alloc(LIMIT + 1))], "TOO_LARGE", tooLarge],
    ["much more than the limit", "deflate", [deflateSync(Buffer.alloc(10_000_000))], "TOO_LARGE", tooLarge],
    ["larger than the limit while compressed", "gzip", [stored], "TOO_LARGE", tooLarge],
    ["the same, unannounced", "gzip", [stored.subarray(0, 9), stored.subarray(9)], "TOO_LARGE", tooLarge],
    ["no gzip", "gzip", [TEXT], "INVALID_ARGUMENT", notGzip],
    ["an empty body", "gzip", [Buffer.alloc(0)], "INVALID_ARGUMENT", notGzip],
    ["gzip cut off", "gzip", [gzipSync(TEXT).subarray(0, -9)], "INVALID_ARGUMENT", notGzip],
    ["gzip with a wrong checksum", "gzip", [wrongChecksum], "INVALID_ARGUMENT", notGzip],
    ["deflate that is gzip", "deflate", [gzipSync(TEXT)], "INVALID_ARGUMENT", notDeflate],
    ["deflate without its frame", "deflate", [deflateRawSync(TEXT)], "INVALID_ARGUMENT", notDeflate],
    ["brotli", "br", [brotliCompressSync(TEXT)], "UNSUPPORTED_ENCODING", unsupported("br")],
    ["gzip twice", "gzip, gzip", [gzipSync(gzipSync(TEXT))], "UNSUPPORTED_ENCODING", unsupported("gzip, gzip")],
  ];
  test.each(cases)("%s", async (...[, encoding, parts, code, message]) => {
    const port = await listen();
    const { body } = await post(port, encoding, ...parts);
    expect(JSON.parse(body.toString())).toEqual({ code, message });
    expect(errors.every((error) => error instanceof InferenceError)).toBe(true);
    // The connection and the budget are as good as before.
    expect((await post(port, "gzip", gzipSync(TEXT))).status).toBe(200);
  });
});

test("a bomb is given up early: of gigabytes, little is ever in memory", async () => {
  const port = await listen();
  // 4 GiB of zeros each: a member of 16 MiB that is sent again and again.
  const member = gzipSync(Buffer.alloc(16 * 1024 ** 2));
  const before = process.memoryUsage().rss;
  let highest = before;
  const watch = setInterval(() => {
    highest = Math.max(highest, process.memoryUsage().rss);
  }, 1);
  const bombs = Array.from({ length: 8 }, () =>
    post(port, "gzip", ...Array.from({ length: 256 }, () => member)).then(({ body }) => body.toString()),
  );
  const refusals = await Promise.all(bombs);
  // Together they may be too many as well.
  expect(refusals.filter((text) => !/TOO_LARGE|UNAVAILABLE/.test(text))).toEqual([]);
  expect(refusals.join("")).toContain("TOO_LARGE");
  clearInterval(watch);
  expect(highest - before).toBeLessThan(150 * 1024 ** 2);
});

test("parts of any sizes arrive as they were", async () => {
  const sizes = fc.array(fc.oneof(fc.nat(3), fc.nat(2000), fc.nat(20_000), fc.constantFrom(4095, 4096)), {
    maxLength: 60,
  });
  await fc.assert(
    fc.asyncProperty(sizes, async (lengths) => {
      const parts = lengths.map((length, index) => Buffer.alloc(length, index + 1));
      const message = Object.assign(Readable.from(parts), {
        headers: {},
        complete: true,
      }) as unknown as IncomingMessage;
      const share = { take: () => true, release: () => undefined };
      const body = await readBody(message, Number.POSITIVE_INFINITY, share);
      expect(body.equals(Buffer.concat(parts))).toBe(true);
    }),
  );
});

test("a body in chunks of one byte takes little more memory than one in a piece", async () => {
  const chunk = Buffer.from("1\r\n \r\n".repeat(20_000));
  const before = process.memoryUsage().rss;
  let highest = before;
  const share: Pick<BodyShare, "take" | "release"> = { take: () => true, release: () => undefined };
  const watch = setInterval(() => {
    highest = Math.max(highest, process.memoryUsage.rss());
  }, 5);
  const server = createServer((message, response) => {
    void readBody(message, 2_000_000, share).then((body) => response.end(String(body.length)));
  }).listen(0);
  await once(server, "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  client.write("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
  for (let sent = 0; sent < 500_000; sent += 20_000) {
    client.write(chunk);
  }
  client.write("0\r\n\r\n");
  const text = (await client.setEncoding("latin1").toArray()).join("");
  expect(text).toMatch(/^HTTP\/1\.1 200 OK[^]*500000$/);
  clearInterval(watch);
  expect(highest - before).toBeLessThan(100 * 1024 ** 2);
  server.close();
});

test("what counts against the bytes held of all bodies is what a body decompresses to", async () => {
  let freeBytes = 50_000;
  const share: Pick<BodyShare, "take" | "release"> = {
    take: (bytes) => {
      freeBytes -= bytes;
      return freeBytes >= 0;
    },
    release: () => undefined,
  };
  const server = createServer((message, response) => {
    readBody(message, LIMIT, share).then(
      (body) => response.end(String(body.length)),
      (error: unknown) => response.end((error as InferenceError).code),
    );
  }).listen(0);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const body = gzipSync(Buffer.alloc(30_000));
  expect((await post(port, "gzip", body)).body.toString()).toBe("30000");
  expect(freeBytes).toBe(20_000);
  expect((await post(port, "gzip", body)).body.toString()).toBe("UNAVAILABLE");
  server.close();
  server.closeAllConnections();
});

test("a client that leaves in the middle of a compressed body", async () => {
  const port = await listen();
  const client = connect(port, "127.0.0.1");
  const part = gzipSync(TEXT).subarray(0, 50);
  client.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 1000\r\n\r\n`);
  client.write(part);
  await once(client, "ready");
  client.destroy();
  await vi.waitFor(() => expect(errors.map(({ code }) => code)).toEqual(["CANCELLED"]), 10_000);
});
