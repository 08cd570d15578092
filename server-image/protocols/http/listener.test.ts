// Connections: their age, unused ones at the end, bodies that are refused before they are read, faults of a handler.

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { Agent, request as httpRequest } from "node:http";
import { connect, type Socket } from "node:net";

import { afterEach, describe, expect, test, vi } from "vitest";
import type { Cancellation } from "../../cancellation.ts";
import { InferenceError } from "../../inference-error.ts";
import { recordingLog } from "../../test-server.ts";
import { errorAnswer, jsonAnswer } from "./exchange.ts";
import { HttpListener, type ListenerOptions } from "./listener.ts";

vi.setConfig({ testTimeout: 30_000 });

/** Longer than any of these tests may take. */
const PATIENCE_MS = 60_000;

const listeners: HttpListener[] = [];

afterEach(async () => {
  await Promise.all(listeners.splice(0).map((listener) => listener.close(PATIENCE_MS)));
});

async function listen(options: Partial<ListenerOptions> = {}): Promise<{ listener: HttpListener; port: number }> {
  const listener = new HttpListener({
    handle: async () => jsonAnswer(200, {}),
    maxBodyBytes: 1000,
    maxConnections: () => 1000,
    clock: () => 0,
    random: () => 0.5,
    log: recordingLog().log,
    ...options,
  });
  listeners.push(listener);
  return { listener, port: await listener.listen(0) };
}

interface Answer {
  readonly status: number | undefined;
  readonly connection: string | undefined;
}

async function send(port: number, agent: Agent, body?: Buffer): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const method = body === undefined ? "GET" : "POST";
  const request = httpRequest({ port, agent, method }, (response) => {
    response.resume().on("end", () => {
      resolve({ status: response.statusCode, connection: response.headers.connection });
    });
  });
  request.on("error", reject).end(body);
  return promise;
}

describe("age of a connection", () => {
  test.each([
    ["least", 0, 24_000],
    ["middle", 0.5, 30_000],
    ["most", 1, 36_000],
  ])("%s: kept alive before, ended with the first answer after", async (_name, random, ageMs) => {
    const clock = { nowMs: 1000 };
    const { port } = await listen({ clock: () => clock.nowMs, random: () => random });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    expect(await send(port, agent)).toEqual({ status: 200, connection: "keep-alive" });
    clock.nowMs = 1000 + ageMs - 1;
    expect(await send(port, agent)).toEqual({ status: 200, connection: "keep-alive" });
    clock.nowMs = 1000 + ageMs;
    expect(await send(port, agent)).toEqual({ status: 200, connection: "close" });
    expect(await send(port, agent)).toEqual({ status: 200, connection: "keep-alive" });
    agent.destroy();
  });

  test.each([
    [32, "keep-alive"],
    [33, "close"],
  ])("with %i requests in progress, after 10 s: %s", async (count, connection) => {
    const clock = { nowMs: 0 };
    const proceed = Promise.withResolvers<void>();
    let asked = 0;
    const handle: ListenerOptions["handle"] = async ({ method }) => {
      asked += 1;
      if (method === "POST") {
        await proceed.promise;
      }
      return jsonAnswer(200, {});
    };
    const { port } = await listen({ handle, clock: () => clock.nowMs });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    expect(await send(port, agent)).toEqual({ status: 200, connection: "keep-alive" });
    // The one that is asked about is one of them.
    const others = Array.from({ length: count - 1 }, () => send(port, new Agent(), Buffer.alloc(1)));
    await vi.waitFor(() => expect(asked).toBe(count), 10_000);
    clock.nowMs = 9999;
    expect(await send(port, agent)).toEqual({ status: 200, connection: "keep-alive" });
    clock.nowMs = 10_000;
    expect(await send(port, agent)).toEqual({ status: 200, connection });
    proceed.resolve();
    await Promise.all(others);
    agent.destroy();
  });
});

test("a thread that is ahead of others ends one connection, and no other for a while", async () => {
  const clock = { nowMs: 1000 };
  const sharing = { setConnections: () => undefined, isAhead: () => true };
  const handle: ListenerOptions["handle"] = async ({ method, readBody }) =>
    jsonAnswer(200, method === "POST" ? (await readBody()).length : {});
  const { port } = await listen({ handle, sharing, clock: () => clock.nowMs });
  const ends = async () => (await send(port, new Agent({ keepAlive: true }), Buffer.alloc(1))).connection;
  expect([await ends(), await ends()]).toEqual(["close", "keep-alive"]);
  clock.nowMs += 100;
  expect([await ends(), await ends()]).toEqual(["close", "keep-alive"]);
});

describe("the end", () => {
  test("a client that only holds its connection does not hold up the end", async () => {
    const { listener, port } = await listen();
    const silent = connect(port, "127.0.0.1");
    const ended = once(silent.resume(), "close");
    await once(silent, "connect");
    await listener.close(PATIENCE_MS);
    await ended;
  });

  test("a request in progress is answered, its connection ended, and a new one is refused", async () => {
    const arrived = Promise.withResolvers<void>();
    const proceed = Promise.withResolvers<void>();
    const handle = async () => {
      arrived.resolve();
      await proceed.promise;
      return jsonAnswer(200, {});
    };
    const { listener, port } = await listen({ handle });
    const agent = new Agent({ keepAlive: true });
    const answer = send(port, agent);
    await arrived.promise;
    const closed = listener.close(PATIENCE_MS);
    await expect(send(port, new Agent())).rejects.toThrow("ECONNREFUSED");
    proceed.resolve();
    expect(await answer).toEqual({ status: 200, connection: "close" });
    await closed;
  });
});

test("an answer that comes before a large body has ended does not break the connection under the client", async () => {
  const answered = Promise.withResolvers<void>();
  const handle = async () => {
    answered.resolve();
    return errorAnswer(503, "full");
  };
  const { listener, port } = await listen({ handle });
  listener.startDraining();
  const half = Buffer.alloc(1_000_000);
  const client = connect(port, "127.0.0.1");
  client.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${2 * half.length}\r\n\r\n`);
  client.write(half);
  await answered.promise;
  // By the time another request is answered, a premature end of this one would have happened.
  await send(port, new Agent());
  client.end(half);
  // Throws where the connection is reset.
  const text = (await client.setEncoding("utf8").toArray()).join("");
  expect(text).toMatch(/^HTTP\/1.1 503 [^]*connection: close[^]*\{"error":"full"\}$/i);
});

describe("a client that leaves in the middle of its body", () => {
  const CASES: [string, (listener: HttpListener, clock: { nowMs: number }) => void][] = [
    ["while the server drains", (listener) => listener.startDraining()],
    [
      "on an old connection",
      (_listener, clock) => {
        clock.nowMs += 40_000;
      },
    ],
  ];
  test.each(CASES)("%s: nothing else notices", async (_name, prepare) => {
    const rejections: unknown[] = [];
    const onRejection = (reason: unknown) => rejections.push(reason);
    process.on("unhandledRejection", onRejection);
    const clock = { nowMs: 0 };
    const answered = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    const handle: ListenerOptions["handle"] = async ({ method, cancellation }) => {
      if (method === "POST") {
        cancellation.listen(() => gone.resolve());
        prepare(listener, clock);
        answered.resolve();
      }
      return errorAnswer(404, "Not Found");
    };
    const { log, lines } = recordingLog();
    const { listener, port } = await listen({ handle, clock: () => clock.nowMs, log });
    const client = connect(port, "127.0.0.1");
    client.write("POST /nope HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc");
    await answered.promise;
    client.resetAndDestroy();
    await gone.promise;
    // An answer to another client comes after whatever the first one's end has set off.
    expect(await send(port, new Agent())).toMatchObject({ status: 404 });
    process.off("unhandledRejection", onRejection);
    expect(rejections).toEqual([]);
    expect(lines).toEqual([]);
  });
});

describe("bodies held at once", () => {
  const readAll: ListenerOptions["handle"] = async ({ readBody }) => {
    try {
      return jsonAnswer(200, (await readBody()).length);
    } catch (error) {
      return errorAnswer(error instanceof InferenceError && error.code === "UNAVAILABLE" ? 503 : 500, "");
    }
  };

  test("beyond twice the largest body: refused, until a client that holds one leaves", async () => {
    const { port } = await listen({ handle: readAll, maxBodyBytes: 1000 });
    const holdMost = () => {
      const client = connect(port, "127.0.0.1");
      client.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n${"x".repeat(900)}`);
      return client;
    };
    const status = async () => (await send(port, new Agent(), Buffer.alloc(900))).status;
    const deadline = { timeout: 10_000, interval: 5 };
    const first = holdMost();
    // More rounds than one leaked share would survive.
    for (let round = 0; round < 4; round += 1) {
      const second = holdMost();
      await vi.waitFor(async () => expect(await status()).toBe(503), deadline);
      second.destroy();
      await vi.waitFor(async () => expect(await status()).toBe(200), deadline);
    }
    first.destroy();
  });

  test("a request that is answered gives its part back", async () => {
    const { port } = await listen({ handle: readAll, maxBodyBytes: 1000 });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let round = 0; round < 6; round += 1) {
      expect(await send(port, agent, Buffer.alloc(1000))).toMatchObject({ status: 200 });
    }
    agent.destroy();
  });
});

describe("bytes that are no request", () => {
  test("are answered 400, and the connection goes even where the client keeps its side open and is silent", async () => {
    const { port } = await listen();
    // Only the server's side of the connection shows it: whatever a client sends would end a connection left open.
    const accepted: Socket[] = [];
    const onSocket = (message: unknown) => accepted.push((message as { socket: Socket }).socket);
    subscribe("net.server.socket", onSocket);
    const client = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    client.on("error", () => undefined);
    client.write("HELLO\r\n\r\n");
    const chunks: string[] = [];
    client.setEncoding("utf8").on("data", (chunk: string) => chunks.push(chunk));
    await once(client, "end");
    unsubscribe("net.server.socket", onSocket);
    expect(chunks.join("")).toMatch(/^HTTP\/1.1 400 /);
    await vi.waitFor(() => expect(accepted.map(({ destroyed }) => destroyed)).toEqual([true]), 5000);
    client.destroy();
  });

  test("behind a request without its answer yet: not taken for that answer", async () => {
    const handle = async () => {
      await proceed.promise;
      return jsonAnswer(200, {});
    };
    const proceed = Promise.withResolvers<void>();
    const { port } = await listen({ handle });
    const client = connect(port, "127.0.0.1");
    client.on("error", () => undefined);
    let text = "";
    client.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
    client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\nHELLO\r\n\r\n");
    await once(client, "close");
    proceed.resolve();
    expect(text).toBe("");
  });
});

test("refused bodies do not cost the connection", async () => {
  const { port } = await listen({ handle: async () => errorAnswer(503, "full") });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  expect(await send(port, agent, Buffer.alloc(20_000_000))).toEqual({ status: 503, connection: "keep-alive" });
  agent.destroy();
});

test("a client that leaves cancels its request", async () => {
  const cancellations: Cancellation[] = [];
  const left = Promise.withResolvers<void>();
  const handle: ListenerOptions["handle"] = async ({ cancellation }) => {
    cancellations.push(cancellation);
    const cancelled = Promise.withResolvers<void>();
    cancellation.listen(cancelled.resolve);
    client.destroy();
    await cancelled.promise;
    left.resolve();
    return jsonAnswer(200, {});
  };
  const { port } = await listen({ handle });
  const client = connect(port, "127.0.0.1");
  client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await left.promise;
  expect(cancellations.map(({ cancelled }) => cancelled)).toEqual([true]);
});

test("a fault of a handler is a 500 without details, and logged", async () => {
  const { log, lines } = recordingLog();
  const handle = async () => {
    throw new Error("secret detail");
  };
  const { port } = await listen({ handle, log });
  const response = await fetch(`http://127.0.0.1:${port}/`);
  expect(response.status).toBe(500);
  expect(await response.json()).toEqual({ error: "internal error" });
  expect(lines).toMatchObject([{ level: "error", message: "request handler failed" }]);
});

test.each([
  ["before its body has ended", false],
  ["after its body", true],
])(
  "an answer that cannot be sent, %s, ends its connection, is logged, and others are answered",
  async (_name, reads) => {
    const { log, lines } = recordingLog();
    const handle: ListenerOptions["handle"] = async ({ method, readBody }) => {
      if (reads && method === "POST") {
        await readBody();
      }
      return method === "POST" ? { status: 200, headers: { "x-bad": "a\nb" }, body: "" } : jsonAnswer(200, {});
    };
    const { port } = await listen({ handle, log });
    await expect(send(port, new Agent(), Buffer.alloc(1))).rejects.toThrow("socket hang up");
    expect(await send(port, new Agent())).toMatchObject({ status: 200 });
    expect(lines).toMatchObject([{ level: "error", message: "an answer could not be sent" }]);
  },
);
