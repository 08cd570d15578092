// Clients that mean harm or know no better, over plain HTTP/2 and TCP: the server stays up, its memory bounded, others served.

import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { connect as connectTcp } from "node:net";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { methodOf, SERVICE } from "./test-client.ts";
import { startTestListener, type TestListener } from "./test-listener.ts";

const DEADLINE = { timeout: 10_000, interval: 10 };
const INFER = `/${SERVICE}/ModelInfer`;

let server: TestListener;
let session: ClientHttp2Session;

beforeEach(async () => {
  server = await startTestListener();
  session = connect(`http://127.0.0.1:${server.port}`);
  session.on("error", () => undefined);
});

afterEach(async () => {
  session.destroy();
  expect(await server.client.call("ServerLive")).toEqual({ live: true });
  await server.close();
});

function begin(headers: Record<string, string> = {}): { stream: ClientHttp2Stream; answer: Promise<Answer> } {
  const stream = session.request({
    ":method": "POST",
    ":path": INFER,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  stream.on("error", () => undefined);
  const answer = Promise.withResolvers<Answer>();
  stream.on("response", (received) => {
    const { ":status": httpStatus, "grpc-status": code } = received;
    answer.resolve({ httpStatus, code: code === undefined ? undefined : Number(code) });
  });
  stream.on("close", () => answer.resolve({ httpStatus: undefined, code: undefined }));
  stream.resume();
  return { stream, answer: answer.promise };
}

interface Answer {
  readonly httpStatus: number | undefined;
  readonly code: number | undefined;
}

/** The five bytes before a message. */
function frame(length: number, compressed = 0): Buffer {
  const head = Buffer.alloc(5, compressed);
  head.writeUInt32BE(length, 1);
  return head;
}

describe("over HTTP/2", () => {
  const cases: [string, Record<string, string>, Buffer, Answer][] = [
    [
      "another content type",
      { "content-type": "application/json" },
      Buffer.from("{}"),
      { httpStatus: 415, code: undefined },
    ],
    ["an unknown method", { ":path": "/inference.Nothing/No" }, frame(0), { httpStatus: 200, code: 12 }],
    [
      "an unknown compression",
      { "grpc-encoding": "br" },
      Buffer.concat([frame(1, 1), Buffer.of(0)]),
      { httpStatus: 200, code: 12 },
    ],
    ["a deadline that is none", { "grpc-timeout": "soon" }, frame(0), { httpStatus: 200, code: 13 }],
    ["a deadline that is past", { "grpc-timeout": "0n" }, frame(0), { httpStatus: 200, code: 4 }],
    ["a length of 4 GiB", {}, frame(2 ** 32 - 1), { httpStatus: 200, code: 8 }],
    [
      "no gzip where gzip is announced",
      { "grpc-encoding": "gzip" },
      Buffer.concat([frame(4, 1), Buffer.from("abcd")]),
      { httpStatus: 200, code: 13 },
    ],
    ["an empty message", {}, frame(0), { httpStatus: 200, code: 5 }],
  ];
  test.each(cases)("%s", async (_name, headers, body, expected) => {
    const { stream, answer } = begin(headers);
    stream.end(body);
    expect(await answer).toEqual(expected);
  });

  test("messages that never end: few are held, and the rest is told to come later", async () => {
    const half = Buffer.concat([frame(1_000_000), Buffer.alloc(900_000)]);
    const calls = Array.from({ length: 12 }, () => {
      const call = begin();
      call.stream.write(half);
      return call;
    });
    await vi.waitFor(() => expect(server.ended.length).toBeGreaterThanOrEqual(10), DEADLINE);
    expect(new Set(server.ended)).toEqual(new Set([503]));
    for (const { stream } of calls) {
      stream.close();
    }
    await vi.waitFor(() => expect(server.ended).toHaveLength(12), DEADLINE);
    const rows = { name: "x", datatype: "FP32", shape: [80_000, 3] };
    const large = { model_name: "m", inputs: [rows], raw_input_contents: [Buffer.alloc(960_000)] };
    expect(await server.client.infer(large)).toMatchObject({ model_name: "m" });
  });

  test("a thousand calls that are cancelled at once", async () => {
    for (let call = 0; call < 1000 && !session.destroyed; call += 1) {
      begin().stream.close();
    }
    await vi.waitFor(() => expect(server.ended).toHaveLength(server.received()), DEADLINE);
    expect(server.ended.every((code) => code === 499)).toBe(true);
  });

  test("headers without end", async () => {
    const { answer } = begin({ "x-large": "a".repeat(100_000) });
    expect((await answer).code).toBeUndefined();
  });
});

describe("over TCP", () => {
  test.each([
    ["HTTP/1.1", Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n")],
    ["a TLS client", Buffer.from("16030100a5010000a10303", "hex")],
    ["garbage", Buffer.alloc(100_000, 0xab)],
    [
      "frames after the preface that are none",
      Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Buffer.alloc(64, 0xff)]),
    ],
  ])("%s ends the connection", async (_name, bytes) => {
    const socket = connectTcp(server.port, "127.0.0.1");
    socket.on("error", () => undefined).resume();
    socket.write(bytes);
    await once(socket, "close");
  });

  test("a connection that breaks off in the middle of a message", async () => {
    const { serialize } = methodOf(`${SERVICE}/ModelInfer`);
    const message = serialize({ model_name: "m" });
    begin().stream.write(Buffer.concat([frame(message.length + 10), message]));
    await vi.waitFor(() => expect(server.received()).toBe(1), DEADLINE);
    session.destroy();
    await vi.waitFor(() => expect(server.ended).toEqual([499]), DEADLINE);
  });
});
