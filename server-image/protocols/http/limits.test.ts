// Limits on what a client may hold: places among the connections, bodies that do not arrive, answers that it does not take.

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { connect, type Socket } from "node:net";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { InferenceError } from "../../inference-error.ts";
import { recordingLog } from "../../test-server.ts";
import { errorAnswer, type HttpAnswer, type HttpRequest, jsonAnswer } from "./exchange.ts";
import { HttpListener, type ListenerOptions } from "./listener.ts";

vi.setConfig({ testTimeout: 30_000 });

const DEADLINE = { timeout: 20_000, interval: 5 };

const listeners: HttpListener[] = [];
const clients: Client[] = [];
/** The server's side of each connection. */
const accepted: Socket[] = [];
let nowMs = 0;

function onAccept(message: unknown): void {
  accepted.push((message as { socket: Socket }).socket);
}

beforeEach(() => {
  nowMs = 0;
  subscribe("net.server.socket", onAccept);
  // The listener looks at its limits each second; here it does when a test says so.
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
});

afterEach(async () => {
  for (const { socket } of clients.splice(0)) {
    socket.destroy();
  }
  await Promise.all(listeners.splice(0).map((listener) => listener.close(0)));
  vi.useRealTimers();
  unsubscribe("net.server.socket", onAccept);
  accepted.length = 0;
});

function pass(milliseconds: number): void {
  nowMs += milliseconds;
  vi.advanceTimersByTime(1000);
}

interface Client {
  readonly socket: Socket;
  /** All that came from the server. */
  readonly text: () => string;
  readonly isClosed: () => boolean;
}

/** Sends the bytes and waits until the server has them, or has ended the connection. */
async function open(port: number, bytes = ""): Promise<Client> {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.setEncoding("latin1").on("data", (chunk: string) => {
    text += chunk;
  });
  socket.on("error", () => undefined);
  await once(socket, "connect");
  await send(socket, bytes);
  const client = { socket, text: () => text, isClosed: () => socket.closed };
  clients.push(client);
  return client;
}

async function send(socket: Socket, bytes: string): Promise<void> {
  socket.write(bytes);
  await vi.waitFor(() => {
    const other = accepted.find(({ remotePort }) => remotePort === socket.localPort);
    expect(socket.closed || other?.bytesRead === socket.bytesWritten).toBe(true);
  }, DEADLINE);
}

async function closed(client: Client): Promise<void> {
  await vi.waitFor(() => expect(client.isClosed()).toBe(true), DEADLINE);
}

async function answered(client: Client, text: RegExp): Promise<void> {
  await vi.waitFor(() => expect(client.text()).toMatch(text), DEADLINE);
}

async function listen(options: Partial<ListenerOptions> = {}) {
  const listener = new HttpListener({
    handle: readAll,
    maxBodyBytes: 1000,
    maxConnections: () => 1000,
    clock: () => nowMs,
    random: () => 0.5,
    log: recordingLog().log,
    ...options,
  });
  listeners.push(listener);
  return { listener, port: await listener.listen(0) };
}

/** Answers with the number of bytes of the body, where there is one. */
async function readAll({ method, readBody }: HttpRequest): Promise<HttpAnswer> {
  try {
    return jsonAnswer(200, method === "POST" ? (await readBody()).length : {});
  } catch (error) {
    const { code = "", message = "" } = error instanceof InferenceError ? error : {};
    return errorAnswer(code === "UNAVAILABLE" ? 503 : 413, message);
  }
}

const GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const POST = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n";

describe("a body that does not arrive", () => {
  test("without a byte for 10 s: 408, and the connection is gone", async () => {
    const { port } = await listen();
    const client = await open(port, `${POST}abc`);
    const other = await open(port, GET);
    await answered(other, /200 OK/);
    pass(1000);
    pass(9999);
    expect(client.text()).toBe("");
    pass(1);
    await closed(client);
    expect(client.text()).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n[^]*"the request did not arrive in time"\}$/);
    // Who has no request under way is not meant.
    expect(other.isClosed()).toBe(false);
  });

  test("byte by byte, it is waited for", async () => {
    const { port } = await listen();
    const client = await open(port, POST);
    for (const byte of "012345678") {
      await send(client.socket, byte);
      pass(9000);
    }
    await answered(client, /200 OK[^]*9$/);
  });

  test("behind an answer that is held back for it: the answer comes at last, and ends the connection", async () => {
    const { listener, port } = await listen({ handle: async () => errorAnswer(503, "full") });
    listener.startDraining();
    const client = await open(port, `${POST}abc`);
    pass(1000);
    pass(10_000);
    await closed(client);
    expect(client.text()).toMatch(/^HTTP\/1\.1 503 [^]*connection: close[^]*\{"error":"full"\}$/i);
  });

  test("does not hold up the end beyond the patience", async () => {
    const { listener, port } = await listen();
    const client = await open(port, `${POST}abc`);
    const end = listener.close(5000);
    pass(4999);
    expect(client.text()).toBe("");
    pass(1);
    await answered(client, /408 Request Timeout/);
    await end;
  });
});

describe("connections beyond the limit", () => {
  test("the oldest that never asked makes room, then the oldest that waits for nothing", async () => {
    const { port } = await listen({ maxConnections: () => 3 });
    const idle = await open(port, GET);
    await answered(idle, /200 OK/);
    const slow = await open(port, `${POST}abc`);
    const silent = await open(port);
    const fourth = await open(port, GET);
    await answered(fourth, /200 OK/);
    await closed(silent);
    expect([idle.isClosed(), slow.isClosed()]).toEqual([false, false]);

    const fifth = await open(port, GET);
    await answered(fifth, /200 OK/);
    await closed(idle);
    const sixth = await open(port, GET);
    await answered(sixth, /200 OK/);
    await closed(slow);
  });

  test("while all wait for answers, a new one is refused; afterwards it is taken", async () => {
    const proceed = Promise.withResolvers<void>();
    let asked = 0;
    const handle = async () => {
      asked += 1;
      await proceed.promise;
      return jsonAnswer(200, {});
    };
    const { port } = await listen({ maxConnections: () => 2, handle });
    const waiting = [await open(port, GET), await open(port, GET)];
    await vi.waitFor(() => expect(asked).toBe(2), DEADLINE);
    const refused = await open(port, GET);
    await closed(refused);
    expect(refused.text()).toBe("");
    proceed.resolve();
    for (const client of waiting) {
      await answered(client, /200 OK/);
    }
    await answered(await open(port, GET), /200 OK/);
  });

  test("what is said of their number to other threads is right", async () => {
    const counts: number[] = [];
    const sharing = { setConnections: (count: number) => counts.push(count), isAhead: () => false };
    const { port } = await listen({ maxConnections: () => 2, sharing });
    await open(port);
    await open(port);
    const third = await open(port, GET);
    await answered(third, /200 OK/);
    third.socket.destroy();
    await vi.waitFor(() => expect(counts).toEqual([1, 2, 1, 2, 1]), DEADLINE);
  });
});

describe("answers that are not taken", () => {
  /** More than the system takes off the server's hands by itself. */
  const LARGE = Buffer.alloc(30_000_000, "x");
  const large = async ({ method, readBody }: HttpRequest): Promise<HttpAnswer> =>
    method === "GET" ? { status: 200, body: LARGE } : readAll({ method, readBody } as HttpRequest);

  async function openWithoutReading(port: number): Promise<Client> {
    const client = await open(port, GET);
    await answered(client, /200 OK/);
    client.socket.pause();
    return client;
  }

  /** A client that does not read sees the end only when it does. */
  async function isGone(client: Client): Promise<void> {
    client.socket.resume();
    await closed(client);
    expect(client.text().length).toBeLessThan(LARGE.length);
  }

  test("for 60 s: the connection is ended", async () => {
    const { port } = await listen({ handle: large, maxBodyBytes: LARGE.length });
    const client = await openWithoutReading(port);
    pass(59_999);
    const other = await open(port, `${POST}123456789`);
    await answered(other, /200 OK/);
    pass(1);
    await isGone(client);
  });

  test("of more bytes than are allowed: no new work, and the oldest are given up after 5 s", async () => {
    const { port } = await listen({ handle: large, maxBodyBytes: 1000 });
    const client = await openWithoutReading(port);
    const refused = await open(port, `${POST}123456789`);
    await answered(refused, /503 Service Unavailable[^]*holds too many answers that clients do not take/);
    pass(5000);
    await answered(await open(port, `${POST}123456789`), /200 OK/);
    await isGone(client);
  });

  test("do not hold up the end beyond the patience", async () => {
    const { listener, port } = await listen({ handle: large, maxBodyBytes: LARGE.length });
    const client = await openWithoutReading(port);
    const end = listener.close(5000);
    pass(5000);
    await end;
    await isGone(client);
  });

  test("one that is taken slowly but in time arrives whole", async () => {
    const { port } = await listen({ handle: large, maxBodyBytes: LARGE.length });
    const client = await openWithoutReading(port);
    pass(59_000);
    client.socket.resume();
    await vi.waitFor(() => expect(client.text().length).toBeGreaterThan(LARGE.length), DEADLINE);
    pass(60_000);
    client.socket.write(GET);
    await vi.waitFor(() => expect(client.text().length).toBeGreaterThan(2 * LARGE.length), DEADLINE);
  });
});
