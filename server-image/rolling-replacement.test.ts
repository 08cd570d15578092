// Replicas replaced one after the other under load, as a Deployment does it: no request is lost, whatever the I/O threads.

import { Agent, request as httpRequest } from "node:http";

import { afterEach, expect, test, vi } from "vitest";

import { makeTestClient } from "./protocols/open-inference-grpc/test-client.ts";
import { Dispatcher, sameRandom } from "./test-dispatcher.ts";
import { type Address, killPrograms, logged, type Program, ready, startServing } from "./test-program.ts";
import { testModel } from "./test-server.ts";

vi.setConfig({ testTimeout: 120_000 });

const DEADLINE = { timeout: 30_000, interval: 10 };
/** Longer than it takes here until a replica that stops gets no more new connections. */
const DRAIN = ["--drain-delay-seconds", "1.5"];

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) {
    cleanup();
  }
  await killPrograms();
});

/** Clients that ask one request after the other until they are told to stop. */
class Load {
  readonly lost: unknown[] = [];
  answered = 0;
  #stopping = false;
  readonly #loops: Promise<void>[] = [];

  add(ask: () => Promise<void>): void {
    this.#loops.push(this.#loop(ask));
  }

  /** Resolves when so many more requests have been answered. */
  async answers(count: number): Promise<void> {
    const until = this.answered + count;
    await vi.waitFor(() => expect(this.answered).toBeGreaterThanOrEqual(until), DEADLINE);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#loops);
  }

  async #loop(ask: () => Promise<void>): Promise<void> {
    while (!this.#stopping) {
      try {
        await ask();
        this.answered += 1;
      } catch (error) {
        this.lost.push(error);
      }
    }
  }
}

/** A run of a few milliseconds, so that there is nearly always one in progress. */
const ITERATIONS = 10;
const BODY = JSON.stringify({ inputs: [{ name: "iterations", shape: [], datatype: "INT64", data: [ITERATIONS] }] });

/** A client that keeps its connection as long as it may. */
function httpClient(port: number): () => Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  cleanups.push(() => agent.destroy());
  return async () => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    httpRequest({ port, agent, method: "POST", path: "/v2/models/m/infer" }, (response) => {
      response.resume().on("error", reject);
      response.on("end", () => (response.statusCode === 200 ? resolve() : reject(new Error(`${response.statusCode}`))));
    })
      .on("error", reject)
      .end(BODY);
    return promise;
  };
}

function grpcClient(port: number): () => Promise<void> {
  const client = makeTestClient(`127.0.0.1:${port}`);
  cleanups.push(() => client.close());
  const input = { name: "iterations", datatype: "INT64", shape: [], contents: { int64_contents: [ITERATIONS] } };
  return async () => {
    await client.infer({ model_name: "m", inputs: [input] });
  };
}

async function startService(): Promise<Dispatcher> {
  const service = new Dispatcher(sameRandom());
  await service.listen();
  cleanups.push(() => service.close());
  return service;
}

interface Replica {
  readonly program: Program;
  readonly address: Address;
}

async function startReplica(ioThreads: number): Promise<Replica> {
  const program = startServing(testModel("busy"), "/nonexistent", ...DRAIN, "--io-threads", String(ioThreads));
  return { program, address: await ready(program) };
}

/** By protocol, of this replica alone. */
async function answeredBy({ address: { url } }: Replica): Promise<Record<string, number>> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const found = text.matchAll(/^plimsoll_requests_total\{protocol="([\w-]+)",code="200"\} (\d+)$/gm);
  return Object.fromEntries([...found].map(([, protocol, count]) => [protocol, Number(count)]));
}

test("both replicas are replaced in turn: nothing is lost, and the new ones have the work", async () => {
  const [http, grpc] = [await startService(), await startService()];
  const add = ({ address }: Replica) => {
    http.endpoints.push(address.port);
    grpc.endpoints.push(address.grpcPort);
  };
  const old = await Promise.all([startReplica(1), startReplica(2)]);
  old.forEach(add);
  const load = new Load();
  for (let client = 0; client < 6; client += 1) {
    load.add(httpClient(http.port));
    load.add(grpcClient(grpc.port));
  }
  await load.answers(200);

  const replaced: Replica[] = [];
  for (const [index, leaving] of old.entries()) {
    const arriving = await startReplica(2 - index);
    replaced.push(arriving);
    add(arriving);
    leaving.program.process.kill("SIGTERM");
    await logged(leaving.program, "stopping");
    // Until all nodes know of it, new connections go on coming to the one that stops.
    await load.answers(100);
    http.remove(leaving.address.port);
    grpc.remove(leaving.address.grpcPort);
    expect(await leaving.program.exit).toEqual({ code: 0, signal: null });
  }

  await load.answers(200);
  await load.stop();
  expect(load.lost).toEqual([]);
  for (const replica of replaced) {
    const answered = await answeredBy(replica);
    expect(answered["v2-rest"]).toBeGreaterThan(0);
    expect(answered["v2-grpc"]).toBeGreaterThan(0);
  }
  for (const { program } of [...old, ...replaced]) {
    expect(program.lines.filter(({ level }) => level !== "info")).toEqual([]);
    expect(program.errors()).toBe("");
  }
});

test("all I/O threads end their connections with the answers, and each request in progress is answered", async () => {
  const { program, address } = await startReplica(3);
  const infer = (agent: Agent) => {
    const { promise, resolve, reject } = Promise.withResolvers<[number | undefined, string | undefined]>();
    httpRequest({ port: address.port, agent, method: "POST", path: "/v2/models/m/infer" }, (response) => {
      response.resume().on("end", () => resolve([response.statusCode, response.headers.connection]));
    })
      .on("error", reject)
      .end(BODY);
    return promise;
  };
  // So many that each thread has some.
  const agents = Array.from({ length: 60 }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
  await Promise.all(agents.map(infer));
  const inProgress = agents.map(infer);
  program.process.kill("SIGTERM");
  await logged(program, "stopping");
  const arriving = agents.map(infer);
  for (const [status] of await Promise.all(inProgress)) {
    expect(status).toBe(200);
  }
  for (const answer of await Promise.all(arriving)) {
    expect(answer).toEqual([200, "close"]);
  }
  expect(await program.exit).toEqual({ code: 0, signal: null });
});
