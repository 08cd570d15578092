// A new replica beside an old one: clients that keep their connections come to it within a minute, and lose nothing.

import { Agent, request as httpRequest } from "node:http";

import { afterEach, describe, expect, test, vi } from "vitest";

import { jsonAnswer } from "./protocols/http/exchange.ts";
import { HttpListener } from "./protocols/http/listener.ts";
import { makeTestClient } from "./protocols/open-inference-grpc/test-client.ts";
import { startTestListener } from "./protocols/open-inference-grpc/test-listener.ts";
import { Dispatcher, sameRandom } from "./test-dispatcher.ts";
import { recordingLog } from "./test-server.ts";

vi.setConfig({ testTimeout: 60_000 });

const CLIENTS = 16;
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  await Promise.all(cleanups.splice(0).map((cleanup) => cleanup()));
});

/** Something that tells with each answer which replica gave it, and keeps its connection. */
type Client = () => Promise<number>;

interface Protocol {
  /** @param clock milliseconds */
  readonly startReplica: (id: number, clock: () => number) => Promise<number>;
  readonly makeClient: (port: number) => Client;
}

const overHttp: Protocol = {
  startReplica: async (id, clock) => {
    const random = sameRandom();
    const listener = new HttpListener({
      handle: async () => jsonAnswer(200, id),
      maxBodyBytes: 1000,
      maxConnections: () => 1000,
      clock,
      random,
      log: recordingLog().log,
    });
    cleanups.push(() => listener.close(0));
    return listener.listen(0);
  },
  makeClient: (port) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    cleanups.push(() => agent.destroy());
    return async () => {
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      httpRequest({ port, agent }, (response) => {
        response.setEncoding("utf8").on("data", (text: string) => resolve(Number(text)));
      })
        .on("error", reject)
        .end();
      return promise;
    };
  },
};

const overGrpc: Protocol = {
  startReplica: async (id, clock) => {
    const server = await startTestListener({ clock });
    server.model.metadata = { ...server.model.metadata, version: String(id) };
    cleanups.push(() => server.close());
    return server.port;
  },
  makeClient: (port) => {
    const client = makeTestClient(`127.0.0.1:${port}`);
    cleanups.push(() => client.close());
    const input = { name: "x", datatype: "FP32", shape: [1, 3], contents: { fp32_contents: [1, 2, 3] } };
    return async () => Number((await client.infer({ model_name: "m", inputs: [input] }))["model_version"]);
  },
};

describe.each([
  ["HTTP", overHttp],
  ["gRPC", overGrpc],
])("%s", (_name, { startReplica, makeClient }) => {
  test("16 clients of one replica: a new one has its share within 60 s", async () => {
    let nowMs = 0;
    const service = new Dispatcher(sameRandom());
    await service.listen();
    cleanups.push(() => service.close());
    const replica = async (id: number) => service.endpoints.push(await startReplica(id, () => nowMs));
    await replica(1);
    const clients = Array.from({ length: CLIENTS }, () => makeClient(service.port));
    /** How many of them the new one answers. Rejects if any request is lost. */
    const served = async () => (await Promise.all(clients.map((ask) => ask()))).filter((id) => id === 2).length;
    expect(await served()).toBe(0);
    await replica(2);
    const shares: number[] = [];
    for (let second = 1; second <= 60; second += 1) {
      nowMs = second * 1000;
      shares.push(await served());
    }
    // The least age is 24 s.
    expect(shares.slice(0, 23)).toEqual(Array.from({ length: 23 }).fill(0));
    expect(shares.at(-1)).toBeGreaterThanOrEqual(CLIENTS / 4);
    expect(shares.at(-1)).toBeLessThanOrEqual((CLIENTS * 3) / 4);
  });
});
