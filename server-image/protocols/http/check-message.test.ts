// Requests that are odd as HTTP: which are refused, with what, and which are taken.

import { once } from "node:events";
import { connect } from "node:net";

import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { InferenceError } from "../../inference-error.ts";
import { recordingLog } from "../../test-server.ts";
import { errorAnswer, type HttpAnswer, type HttpRequest, jsonAnswer } from "./exchange.ts";
import { HttpListener } from "./listener.ts";

vi.setConfig({ testTimeout: 30_000 });

let listener: HttpListener;
let port: number;

/** /read answers with the length of the body, /full does not ask for it, others answer with the path. */
async function handle({ path, readBody }: HttpRequest): Promise<HttpAnswer> {
  if (path[0] === "full") {
    return errorAnswer(503, "full");
  }
  if (path[0] !== "read") {
    return jsonAnswer(200, path);
  }
  try {
    return jsonAnswer(200, (await readBody()).length);
  } catch (error) {
    return errorAnswer(error instanceof InferenceError && error.code === "TOO_LARGE" ? 413 : 500, "");
  }
}

beforeAll(async () => {
  const { log } = recordingLog();
  const options = { maxBodyBytes: 1000, maxConnections: () => 100, clock: () => 0, random: () => 0.5, log };
  listener = new HttpListener({ handle, ...options });
  port = await listener.listen(0);
});

afterAll(() => listener.close(0));

/** All that comes until the server ends the connection, or until as much as `until` has come. */
async function exchange(bytes: string, until?: RegExp): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.setEncoding("latin1").on("data", (chunk: string) => {
    text += chunk;
    if (until?.test(text) === true) {
      socket.destroy();
    }
  });
  socket.write(bytes, "latin1");
  await once(socket, "close");
  return text;
}

/** The last header: ends the connection with the answer. */
const CLOSE = "Connection: close\r\n\r\n";
const JSON_ERROR = /\r\n\r\n\{"error":"[^"]+(\\"[^"]*)*"\}$/;

describe("refused", () => {
  const CASES: [string, string, number][] = [
    ["another version of HTTP", `GET / HTTP/2.0\r\nHost: x\r\n${CLOSE}`, 505],
    ["no host", `GET / HTTP/1.1\r\n${CLOSE}`, 400],
    ["two hosts", `GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n${CLOSE}`, 400],
    [
      "a coding beside chunked",
      `POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n${CLOSE}0\r\n\r\n`,
      501,
    ],
    ["201 headers", `GET / HTTP/1.1\r\nHost: x\r\n${"a: b\r\n".repeat(199)}${CLOSE}`, 431],
    ["3000 headers", `GET / HTTP/1.1\r\nHost: x\r\n${"a: b\r\n".repeat(3000)}${CLOSE}`, 431],
    ["an unknown expectation", `GET / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n${CLOSE}`, 417],
    ["an expectation beside the known one", `GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue, tea\r\n${CLOSE}`, 417],
    ["a path that is no text", `GET /%ff HTTP/1.1\r\nHost: x\r\n${CLOSE}`, 400],
  ];
  test.each(CASES)("%s", async (_name, bytes, status) => {
    const text = await exchange(bytes);
    expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(text).toMatch(JSON_ERROR);
  });
});

describe("taken", () => {
  const CASES: [string, string, unknown][] = [
    ["200 headers", `GET /a HTTP/1.1\r\nHost: x\r\n${"a: b\r\n".repeat(198)}${CLOSE}`, ["a"]],
    ["HTTP/1.0, without a host", "GET /a HTTP/1.0\r\n\r\n", ["a"]],
    ["HTTP/1.0, in which an expectation means nothing", "GET /a HTTP/1.0\r\nExpect: tea\r\n\r\n", ["a"]],
    ["a whole URL, as proxies are asked", `GET http://x:1/a/b?c HTTP/1.1\r\nHost: x\r\n${CLOSE}`, ["a", "b"]],
    ["a whole URL without a path", `GET HTTP://x HTTP/1.1\r\nHost: x\r\n${CLOSE}`, []],
    ["a path that looks like a URL", `GET /http://x/a HTTP/1.1\r\nHost: x\r\n${CLOSE}`, ["http:", "", "x", "a"]],
    ["an offer of another protocol", `GET /a HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\n${CLOSE}`, ["a"]],
    [
      "chunked, in capitals",
      `POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: CHUNKED\r\n${CLOSE}1\r\nx\r\n0\r\n\r\n`,
      1,
    ],
  ];
  test.each(CASES)("%s", async (_name, bytes, body) => {
    const text = await exchange(bytes);
    expect(text).toMatch(/^HTTP\/1\.1 200 /);
    expect(JSON.parse(text.slice(text.indexOf("\r\n\r\n")))).toEqual(body);
  });
});

describe("a client that asks before it sends its body", () => {
  const ask = (path: string, length: number) =>
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\nExpect: 100-Continue\r\n\r\n`;

  test("is told to go on when the body is wanted", async () => {
    const told = await exchange(ask("/read", 3), /Continue/);
    expect(told).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    const text = await exchange(`${ask("/read", 3)}abc`, /200 OK[^]*\r\n\r\n3$/);
    expect(text).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK[^]*connection: keep-alive/i);
  });

  test.each([
    ["that is not wanted", "/full", 3, 503],
    ["that is too long", "/read", 1001, 413],
  ])(
    "is not told so for one %s: the answer comes at once, and ends the connection",
    async (_name, path, length, status) => {
      const text = await exchange(ask(path, length));
      expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [^]*connection: close`, "i"));
    },
  );
});
