// Requests that are hostile as HTTP, to the program as a process: each is refused or answered, and hurts nobody else.

import { afterAll, beforeAll, describe, test, vi } from "vitest";

import {
  expectAlive,
  expectAnswer,
  expectUnharmed,
  type HostileRow,
  post,
  startVictim,
  type Victim,
} from "./test-hostile.ts";
import { killPrograms } from "./test-program.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const GET = "GET /v2/health/live HTTP/1.1\r\nHost: x\r\n";
const POST = "POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\n";

const FRAMING: HostileRow[] = [
  ["nothing but line ends, then a request", 200, `\r\n\r\n${GET}\r\n`],
  ["HTTP/1.0", 200, "GET /v2/health/live HTTP/1.0\r\n\r\n"],
  ["HTTP/1.2", 400, "GET / HTTP/1.2\r\nHost: x\r\n\r\n"],
  ["HTTP/2.0 in text", 505, "GET / HTTP/2.0\r\nHost: x\r\n\r\n"],
  ["the preface of HTTP/2", 400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0"],
  ["the first bytes of TLS", 400, Buffer.from("16030100c8010000c40303", "hex")],
  ["no host", 400, "GET /v2/health/live HTTP/1.1\r\n\r\n"],
  ["two hosts", 400, "GET /v2/health/live HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"],
  ["two lengths", 400, `${POST}Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde`],
  ["the same length twice", 400, `${POST}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`],
  ["a length, then chunks", 400, `${POST}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ["chunks, then a length", 400, `${POST}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n`],
  ["a coding that is not the last", 400, `${POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`],
  ["a coding before the last", 501, `${POST}Transfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`],
  ["chunked twice", 400, `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ["a space before the colon", 400, `${POST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`],
  ["a negative length", 400, `${POST}Content-Length: -1\r\n\r\n`],
  ["a length with a sign", 400, `${POST}Content-Length: +3\r\n\r\nabc`],
  ["a length beyond integers", 400, `${POST}Content-Length: 99999999999999999999999\r\n\r\n`],
  ["a length of 10 GiB", 413, `${POST}Content-Length: 10737418240\r\n\r\nabc`],
  ["a chunk size that is none", 400, `${POST}Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n`],
  ["a chunk size beyond integers", 400, `${POST}Transfer-Encoding: chunked\r\n\r\n${"f".repeat(17)}\r\nabc\r\n`],
  ["an endless note on a chunk", 400, `${POST}Transfer-Encoding: chunked\r\n\r\n1;${"a".repeat(20_000)}\r\nx\r\n`],
  ["endless trailers", 431, `${POST}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n${"a: b\r\n".repeat(4000)}`],
  ["a header over two lines", 400, `${GET}X: a\r\n b\r\n\r\n`],
  ["lines without carriage returns", 400, "GET /v2/health/live HTTP/1.1\nHost: x\n\n"],
  ["a lone line feed in a header", 400, `${GET}X: a\nY: b\r\n\r\n`],
  ["a lone carriage return in a header", 400, `${GET}X: a\rY: b\r\n\r\n`],
  ["a NUL in a header", 400, `${GET}X: a\0b\r\n\r\n`],
  ["an odd byte in the name of a header", 400, `${GET}X\u0001: a\r\n\r\n`],
  ["a header without a name", 400, `${GET}: a\r\n\r\n`],
  ["bytes beyond ASCII in a header", 200, `${GET}X: \u00ff\u00fe\r\n\r\n`],
  ["a header of 20 kB", 431, `${GET}X: ${"a".repeat(20_000)}\r\n\r\n`],
  ["1000 headers", 431, `${GET}${"a: b\r\n".repeat(1000)}\r\n`],
  ["headers named like parts of objects", 200, `${GET}__proto__: a\r\nconstructor: b\r\nhasOwnProperty: c\r\n\r\n`],
  ["a body for a GET", 200, `${GET}Content-Length: 5\r\n\r\nhello`],
  [
    "an upgrade to WebSocket",
    200,
    `${GET}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n`,
  ],
  [
    "an upgrade to HTTP/2",
    200,
    `${GET}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n`,
  ],
  ["an unknown expectation", 417, `${POST}Content-Length: 3\r\nExpect: tea\r\n\r\nabc`],
  ["10 GiB, asked for first", 413, `${POST}Content-Length: 10737418240\r\nExpect: 100-continue\r\n\r\n`],
];

const at = (target: string, method = "GET") => `${method} ${target} HTTP/1.1\r\nHost: x\r\n\r\n`;

const PATHS: HostileRow[] = [
  ["a whole URL", 200, at("http://x/v2/health/live")],
  ["a whole URL of another scheme", 404, at("ftp://x/v2/health/live")],
  ["no slash", 400, at("v2/health/live")],
  ["two slashes", 404, at("//v2/health/live")],
  ["dots", 404, at("/v2/../../etc/passwd")],
  ["encoded dots", 404, at("/%2e%2e/%2e%2e/etc/passwd")],
  ["dots with backslashes", 404, at("/v2\\..\\..\\etc\\passwd")],
  ["encoded slashes", 404, at("/v2/models/..%2F..%2Fetc%2Fpasswd")],
  ["a NUL", 404, at("/v2/models/%00")],
  ["half an escape", 400, at("/v2/models/%")],
  ["no escape", 400, at("/v2/models/%zz")],
  ["no UTF-8", 400, at("/v2/models/%ff")],
  ["bytes beyond ASCII", 400, at("/v2/models/\u00ff")],
  ["a space", 400, at("/v2/models/a b")],
  ["part of an object's prototype", 404, at("/v2/models/__proto__")],
  ["a model's part of one", 404, at("/v2/models/m/constructor")],
  ["queries of all kinds", 200, at("/v2/health/live?__proto__[x]=1&x=%00&%ff&&&=?#?")],
  ["10 kB of name", 404, at(`/v2/models/${"a".repeat(10_000)}`)],
  ["20 kB of name", 431, at(`/v2/models/${"a".repeat(20_000)}`)],
  ["5000 parts", 404, at("/a".repeat(5000))],
  ["a star", 405, at("*", "OPTIONS")],
  ["TRACE", 405, at("/v2", "TRACE")],
  ["a method of WebDAV", 405, at("/v2/models/m", "PROPFIND")],
  ["DELETE", 405, at("/v2/models/m/infer", "DELETE")],
  ["GET for an inference", 405, at("/v2/models/m/infer")],
  ["an unknown method", 400, at("/v2", "BREW")],
  ["a method in small letters", 400, at("/v2", "get")],
  ["a tunnel", undefined, at("x:80", "CONNECT")],
  ["an unload", 501, at("/v2/repository/models/m/unload", "POST")],
  ["an inference of another model", 404, post({ path: "/v2/models/..%2Fn/infer" }, "{}")],
  ["a version beyond integers", 400, post({ path: `/v1/models/m/versions/${"9".repeat(99)}:predict` }, "{}")],
  ["two verbs", 404, post({ path: "/v1/models/m:predict:predict" }, "{}")],
  ["a label that is a prototype", 400, post({ path: "/v1/models/m/labels/__proto__:predict" }, "{}")],
];

const TABLES: [string, HostileRow[]][] = [
  ["framing and headers", FRAMING],
  ["methods and paths", PATHS],
];

/** How requests get to the model: both ways to the same answers. */
const SERVERS: [string, string[]][] = [
  ["two I/O threads in front of a worker", ["--io-threads", "2"]],
  ["what calibration finds", ["--calibration-seconds", "0.5"]],
];

describe.each(SERVERS)("%s", (_name, argv) => {
  let victim: Victim;

  beforeAll(async () => {
    victim = await startVictim("identity-rows", ...argv);
  });

  afterAll(() => killPrograms());

  describe.each(TABLES)("%s", (_table, rows) => {
    test.each(rows)("%s", async (...row) => {
      await expectAnswer(victim, row);
      await expectAlive(victim);
    });
  });

  test("afterwards all is as before", async () => {
    await expectUnharmed(victim, "identity-rows");
  });
});
