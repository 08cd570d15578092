// Connections: their age, unused ones at the end, bodies that are refused before they are read, faults of a handler.

import { once } from "node:events";
import { Agent, request as httpRequest } from "node:http";
import { connect } from "node:net";

import { afterEach, describe, expect, test, vi } from "vitest";

import { recordingLog } from "../../test-server.ts";
import { errorAnswer, jsonAnswer } from "./exchange.ts";
import { HttpListener, type ListenerOptions } from "./listener.ts";

vi.setConfig({ testTimeout: 30_000 });

const listeners: HttpListener[] = [];

afterEach(async () => {
  await Promise.all(listeners.splice(0).map((listener) => listener.close()));
});

async function listen(options: Partial<ListenerOptions> = {}): Promise<{ listener: HttpListener; port: number }> {
  const listener = new HttpListener({
    handle: async () => jsonAnswer(200, {}),
    maxBodyBytes: 1000,
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
});

describe("the end", () => {
  test("a client that only holds its connection does not hold up the end", async () => {
    const { listener, port } = await listen();
    const silent = connect(port, "127.0.0.1");
    const ended = once(silent.resume(), "close");
    await once(silent, "connect");
    await listener.close();
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
    const closed = listener.close();
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

test("refused bodies do not cost the connection", async () => {
  const { port } = await listen({ handle: async () => errorAnswer(503, "full") });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  expect(await send(port, agent, Buffer.alloc(20_000_000))).toEqual({ status: 503, connection: "keep-alive" });
  agent.destroy();
});

test("a client that leaves aborts the request's signal", async () => {
  const signals: AbortSignal[] = [];
  const left = Promise.withResolvers<void>();
  const handle: ListenerOptions["handle"] = async ({ signal }) => {
    signals.push(signal);
    client.destroy();
    await once(signal, "abort");
    left.resolve();
    return jsonAnswer(200, {});
  };
  const { port } = await listen({ handle });
  const client = connect(port, "127.0.0.1");
  client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await left.promise;
  expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
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
