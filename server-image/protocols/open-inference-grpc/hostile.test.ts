// Clients that mean harm or know no better, over plain HTTP/2 and TCP: the server stays up, its memory bounded, others served.

import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import { connect as connectTcp } from "node:net";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { methodOf, SERVICE } from "./test-client.ts";
import { startTestListener, type TestListener } from "./test-listener.ts";

const DEADLINE = { timeout: 10_000, interval: 10 };
const INFER = `/${SERVICE}/ModelInfer`;

let server: TestListener;
let session: ClientHttp2Session;
/** How much time has passed besides. */
let laterMs: number;

beforeEach(async () => {
  laterMs = 0;
  server = await startTestListener({ maxConnections: 5, clock: () => performance.now() + laterMs });
  session = connect(`http://127.0.0.1:${server.port}`);
  session.on("error", () => undefined);
});

afterEach(async () => {
  session.destroy();
  expect(await server.client.call("ServerLive")).toEqual({ live: true });
  await server.close();
});

function begin(
  headers: Record<string, string> = {},
  over = session,
): { stream: ClientHttp2Stream; answer: Promise<Answer> } {
  const stream = over.request({
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
    const refused = calls.filter(({ stream }) => stream.closed);
    expect(refused).toHaveLength(server.ended.length);
    expect(new Set(refused.map(({ stream }) => stream.rstCode))).toEqual(new Set([constants.NGHTTP2_NO_ERROR]));
    for (const { stream } of calls) {
      stream.close();
    }
    await vi.waitFor(() => expect(server.ended).toHaveLength(12), DEADLINE);
    const rows = { name: "x", datatype: "FP32", shape: [80_000, 3] };
    const large = { model_name: "m", inputs: [rows], raw_input_contents: [Buffer.alloc(960_000)] };
    expect(await server.client.infer(large)).toMatchObject({ model_name: "m" });
  });

  test.each([INFER, `/${SERVICE}/ModelStreamInfer`, "/grpc.health.v1.Health/Watch"])(
    "more calls to %s than may be open are refused, until some are over",
    async (path) => {
      const few = await startTestListener({ maxCalls: 3 });
      const over = connect(`http://127.0.0.1:${few.port}`);
      const open = Array.from({ length: 3 }, () => begin({ ":path": path }, over));
      const refused = begin({ ":path": path }, over);
      expect(await refused.answer).toEqual({ httpStatus: 200, code: 14 });
      open[0]?.stream.close(8);
      await vi.waitFor(async () => expect(await few.client.call("ServerLive")).toEqual({ live: true }), DEADLINE);
      over.destroy();
      await few.close();
    },
  );

  test("a thousand calls that are cancelled at once", async () => {
    for (let call = 0; call < 1000 && !session.destroyed; call += 1) {
      begin().stream.close();
    }
    await vi.waitFor(() => expect(server.ended).toHaveLength(server.received()), DEADLINE);
    expect(server.ended.every((code) => code === 499)).toBe(true);
  });

  describe("answers that are not taken", () => {
    const OUTPUT = { name: "y", datatype: "FP32", shape: [75_000, 3], data: new Uint8Array(900_000) } as const;
    const ROW = { name: "x", datatype: "FP32", shape: [1, 3], contents: { fp32_contents: [1, 2, 3] } };
    const message = methodOf(`${SERVICE}/ModelInfer`).serialize({ model_name: "m", inputs: [ROW] });
    let greedy: ClientHttp2Session;

    beforeEach(() => {
      greedy = connect(`http://127.0.0.1:${server.port}`, { settings: { initialWindowSize: 0 } });
      greedy.on("error", () => undefined);
      server.model.infer = async () => ({ outputs: [OUTPUT] });
    });

    afterEach(() => greedy.destroy());

    async function ask(count: number): Promise<void> {
      for (let call = 0; call < count; call += 1) {
        begin({}, greedy).stream.end(Buffer.concat([frame(message.length), message]));
      }
      await vi.waitFor(() => expect(server.received()).toBe(count), DEADLINE);
    }

    test("fill only so much memory, and make room for others after a while", async () => {
      await ask(5);
      const infer = () => server.client.infer({ model_name: "m", inputs: [ROW] });
      await vi.waitFor(() => expect(infer()).rejects.toMatchObject({ code: 14, details: /that clients do not take/ }));
      laterMs = 5000;
      await vi.waitFor(() => expect(infer()).resolves.toMatchObject({ model_name: "m" }), DEADLINE);
    });

    test("do not hold up the end", async () => {
      await ask(2);
      begin({}, greedy).stream.write(frame(1000));
      await vi.waitFor(() => expect(server.received()).toBe(3), DEADLINE);
      await server.listener.close(50);
      expect(server.ended.toSorted((a, b) => a - b)).toEqual([499, 499, 504]);
      server = await startTestListener();
    });
  });

  test("headers without end", async () => {
    const { answer } = begin({ "x-large": "a".repeat(100_000) });
    expect((await answer).code).toBeUndefined();
  });
});

describe("over TCP", () => {
  test("of more connections than are allowed those make room that ask nothing, the oldest first", async () => {
    expect(await server.client.call("ServerLive")).toEqual({ live: true });
    const closed: number[] = [];
    const sockets = Array.from({ length: 8 }, (_, index) => {
      const socket = connectTcp(server.port, "127.0.0.1");
      socket.on("error", () => undefined).resume();
      return socket.once("close", () => closed.push(index));
    });
    // The two others are the client's, which has asked, and the session's, which has not.
    await vi.waitFor(() => expect(closed).toHaveLength(4), DEADLINE);
    expect(session.destroyed).toBe(true);
    const another = server.connect();
    expect(await another.call("ServerLive")).toEqual({ live: true });
    await vi.waitFor(() => expect(closed).toHaveLength(5), DEADLINE);
    expect(await server.client.call("ServerLive")).toEqual({ live: true });
    for (const socket of sockets) {
      socket.destroy();
    }
  });

  test("while calls are open on all of them a new connection is refused; afterwards the oldest without one makes room", async () => {
    const proceed = Promise.withResolvers<void>();
    const { infer } = server.model;
    server.model.infer = async (...request) => {
      await proceed.promise;
      return infer(...request);
    };
    const { serialize } = methodOf(`${SERVICE}/ModelInfer`);
    const message = serialize({
      model_name: "m",
      inputs: [{ name: "x", datatype: "FP32", shape: [1, 3], contents: { fp32_contents: [1, 2, 3] } }],
    });
    const sessions = [session, ...Array.from({ length: 4 }, () => connect(`http://127.0.0.1:${server.port}`))];
    const calls = sessions.map((each) => {
      each.on("error", () => undefined);
      const call = begin({}, each);
      call.stream.end(Buffer.concat([frame(message.length), message]));
      return call;
    });
    await vi.waitFor(() => expect(server.received()).toBe(5), DEADLINE);
    const refused = connectTcp(server.port, "127.0.0.1");
    refused.on("error", () => undefined).resume();
    await once(refused, "close");
    expect(sessions.map(({ destroyed }) => destroyed)).toEqual([false, false, false, false, false]);
    proceed.resolve();
    for (const { answer } of calls) {
      expect(await answer).toEqual({ httpStatus: 200, code: undefined });
    }
    await vi.waitFor(() => expect(server.client.call("ServerLive")).resolves.toEqual({ live: true }), DEADLINE);
    await vi.waitFor(
      () => expect(sessions.map((each) => each.destroyed)).toEqual([true, false, false, false, false]),
      DEADLINE,
    );
    for (const each of sessions) {
      each.destroy();
    }
  });

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
