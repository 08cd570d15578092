// How connections end: at their age, sooner while there is much to do, and all of them when the server stops, without lost calls.

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { EventEmitter } from "node:events";
import type { Http2Session } from "node:http2";

import { type ServiceError, status } from "@grpc/grpc-js";
import { describe, expect, test, vi } from "vitest";

import { Connections } from "./connections.ts";
import { makeTestClient, methodOf, SERVICE } from "./test-client.ts";
import { startTestListener, type TestListener } from "./test-listener.ts";

const DEADLINE = { timeout: 10_000, interval: 10 };
const REQUEST = {
  model_name: "m",
  inputs: [{ name: "x", datatype: "FP32", shape: [1, 3], contents: { fp32_contents: [1, 2, 3] } }],
};

class FakeSession extends EventEmitter {
  ended = 0;
  close(): void {
    this.ended += 1;
  }
}

describe("the age of a connection", () => {
  function begin({ random = 0.5, busy = 0 } = {}) {
    let nowMs = 1000;
    const connections = new Connections({ clock: () => nowMs, random: () => random });
    const session = new FakeSession();
    connections.seen(session as unknown as Http2Session);
    for (let call = 0; call < busy; call += 1) {
      connections.callBegan();
    }
    const endedAfter = (seconds: number): boolean => {
      nowMs = 1000 + seconds * 1000;
      connections.callBegan();
      connections.callEnded(session as unknown as Http2Session);
      return session.ended > 0;
    };
    return { connections, session, endedAfter };
  }

  test.each([
    ["30 s", {}, 30],
    ["24 s at the least", { random: 0 }, 24],
    ["36 s at the most", { random: 1 }, 36],
    ["a third of it while many calls wait", { busy: 33 }, 10],
    ["not less while some calls wait", { busy: 32 }, 30],
  ])("%s", (_name, situation, seconds) => {
    const { endedAfter } = begin(situation);
    expect(endedAfter(seconds - 0.1)).toBe(false);
    expect(endedAfter(seconds + 0.1)).toBe(true);
  });

  test("draining ends it at once, and a new one after a second", () => {
    const { connections, session } = begin();
    connections.drain();
    expect(session.ended).toBe(1);
    const later = new FakeSession();
    connections.seen(later as unknown as Http2Session);
    expect(later.ended).toBe(0);
  });

  test("one made while draining lives for a second", () => {
    const { connections, endedAfter } = begin();
    connections.drain();
    expect(endedAfter(0.9)).toBe(true);
    let nowMs = 0;
    const draining = new Connections({ clock: () => nowMs, random: () => 0.5 });
    draining.drain();
    const session = new FakeSession();
    draining.seen(session as unknown as Http2Session);
    for (const [ms, ended] of [
      [999, 0],
      [1000, 1],
    ] as const) {
      nowMs = ms;
      draining.callBegan();
      draining.callEnded(session as unknown as Http2Session);
      expect(session.ended).toBe(ended);
    }
  });
});

/** Calls over and over until told to end. */
function keepCalling(address: string, concurrency: number) {
  const client = makeTestClient(address);
  const failures: string[] = [];
  let answers = 0;
  const ending = new AbortController();
  const work = Array.from({ length: concurrency }, async () => {
    while (!ending.signal.aborted) {
      await client.infer(REQUEST).then(
        () => {
          answers += 1;
        },
        (error: ServiceError) => failures.push(error.message),
      );
    }
  });
  return {
    failures,
    answers: () => answers,
    end: async () => {
      ending.abort();
      await Promise.all(work);
      client.close();
    },
  };
}

test("connections that end of age lose no call", async () => {
  let connections = 0;
  const count = () => {
    connections += 1;
  };
  subscribe("net.server.socket", count);
  let speed = 1;
  const server = await startTestListener({ clock: () => performance.now() * speed });
  const calls = keepCalling(`127.0.0.1:${server.port}`, 24);
  await vi.waitFor(() => expect(calls.answers()).toBeGreaterThan(100), DEADLINE);
  // From now on each is old enough nearly at once.
  speed = 1000;
  await vi.waitFor(() => expect(calls.answers()).toBeGreaterThan(3000), DEADLINE);
  await calls.end();
  unsubscribe("net.server.socket", count);
  expect(calls.failures).toEqual([]);
  expect(connections).toBeGreaterThan(5);
  await server.close();
});

describe("the end of a server", () => {
  async function stop(server: TestListener): Promise<void> {
    server.startStopping();
    // Clients still find their way here.
    const before = server.received();
    await vi.waitFor(() => expect(server.received()).toBeGreaterThan(before + 20), DEADLINE);
    await server.close();
  }

  test("clients move on to another one without losing a call", async () => {
    const [first, second] = [await startTestListener(), await startTestListener()];
    const calls = keepCalling(`ipv4:127.0.0.1:${first.port},127.0.0.1:${second.port}`, 16);
    await vi.waitFor(() => expect(first.received()).toBeGreaterThan(100), DEADLINE);
    await stop(first);
    const before = second.received();
    await vi.waitFor(() => expect(second.received()).toBeGreaterThan(before + 100), DEADLINE);
    await calls.end();
    expect(calls.failures).toEqual([]);
    expect(new Set(first.ended)).toEqual(new Set([200]));
    expect(first.received() + second.received()).toBe(calls.answers());
    await second.close();
  });

  test("waits for the calls in progress, and takes no new connections", async () => {
    const server = await startTestListener();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const { infer } = server.model;
    server.model.infer = async (...request) => {
      await released;
      return infer(...request);
    };
    const call = server.client.infer(REQUEST);
    await vi.waitFor(() => expect(server.received()).toBe(1), DEADLINE);
    let closed = false;
    const closing = server.close().then(() => {
      closed = true;
    });
    await expect(server.connect().call("ServerLive")).rejects.toMatchObject({ code: status.UNAVAILABLE });
    expect(closed).toBe(false);
    release();
    expect(await call).toMatchObject({ model_name: "m" });
    await closing;
    expect(server.ended).toEqual([200]);
  });

  test("answers what a stream has asked, then ends it so that the client knows", async () => {
    const server = await startTestListener();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const { infer } = server.model;
    server.model.infer = async (...request) => {
      await released;
      return infer(...request);
    };
    const { path, serialize, deserialize } = methodOf(`${SERVICE}/ModelStreamInfer`);
    const stream = server.client.client.makeBidiStreamRequest(path, serialize, deserialize);
    const answers: unknown[] = [];
    const ended = Promise.withResolvers<{ code: status; details: string }>();
    stream.on("data", (answer) => answers.push(answer));
    stream.on("error", () => undefined);
    stream.on("status", ({ code, details }) => ended.resolve({ code, details }));
    stream.write(REQUEST);
    await vi.waitFor(() => expect(server.received()).toBe(1), DEADLINE);
    const closing = server.close();
    release();
    expect(await ended.promise).toEqual({ code: status.UNAVAILABLE, details: "server is stopping" });
    expect(answers).toMatchObject([{ error_message: "" }]);
    await closing;
  });

  test("does not wait for connections that ask nothing", async () => {
    const server = await startTestListener();
    await server.client.call("ServerLive");
    await server.close();
  });
});
