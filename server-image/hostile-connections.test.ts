// Clients that misuse connections, against the program as a process: too many, too slow, too fast, gone too early.

import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";

import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";

import { makeTestClient } from "./protocols/open-inference-grpc/test-client.ts";
import { expectAlive, expectUnharmed, MAX_BODY_BYTES, post, say, startVictim, type Victim } from "./test-hostile.ts";
import { killPrograms } from "./test-program.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const MAX_CONNECTIONS = 400;
const DEADLINE = { timeout: 30_000, interval: 20 };

const INFER = { path: "/v2/models/m/infer" };
const GET = "GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n";
const ORDINARY = JSON.stringify({ inputs: [{ name: "x", shape: [1, 3], datatype: "FP32", data: [1, 2, 3] }] });

let victim: Victim;
const sockets = new Set<Socket>();

beforeAll(async () => {
  victim = await startVictim("identity-rows", "--io-threads", "2", "--max-connections", String(MAX_CONNECTIONS));
});

afterEach(async () => {
  for (const socket of sockets) {
    socket.destroy();
  }
  sockets.clear();
  await expectAlive(victim);
});

afterAll(async () => {
  await killPrograms();
});

/** A connection that has sent those bytes, and reads nothing unless told to. */
async function open(port: number, bytes: string | Buffer = ""): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  sockets.add(socket);
  socket.on("error", () => undefined);
  await Promise.race([once(socket, "connect"), once(socket, "close")]);
  socket.write(bytes, "latin1");
  return socket;
}

async function openMany(count: number, port: number, bytes?: string | Buffer): Promise<Socket[]> {
  const opened: Socket[] = [];
  while (opened.length < count) {
    opened.push(...(await Promise.all(Array.from({ length: 100 }, () => open(port, bytes)))));
  }
  return opened;
}

async function countDescriptors(): Promise<number> {
  return (await readdir(`/proc/${victim.program.process.pid}/fd`)).length;
}

describe("thousands of connections", () => {
  test("that say nothing: few are kept, probes and requests find a place", async () => {
    const { port, grpcPort } = victim.address;
    const before = await countDescriptors();
    await openMany(2000, port);
    await openMany(2000, grpcPort);
    await expectAlive(victim);
    expect((await say(port, post(INFER, ORDINARY))).status).toBe(200);
    expect(await countDescriptors()).toBeLessThan(before + 2 * MAX_CONNECTIONS + 50);
  });

  test.each([
    ["in the middle of their headers", "POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nX: abc"],
    ["in the middle of their bodies", "POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"],
    ["between requests", GET],
  ])("that stop %s: the same", async (_name, bytes) => {
    const { port } = victim.address;
    await openMany(1000, port, bytes);
    await expectAlive(victim);
    expect((await say(port, post(INFER, ORDINARY))).status).toBe(200);
  });

  test("that break off in the middle of anything", async () => {
    const { port, grpcPort } = victim.address;
    const body = post(INFER, ORDINARY);
    for (const bytes of [GET, body, body.subarray(0, 20), body.subarray(0, -5)]) {
      for (const socket of await openMany(100, port, bytes)) {
        socket.resetAndDestroy();
      }
    }
    for (const socket of await openMany(100, grpcPort, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")) {
      socket.resetAndDestroy();
    }
    await expectAlive(victim);
  });
});

test("clients that are too slow are told so, or cut off, while others are served", async () => {
  const { port } = victim.address;
  const slow = await Promise.all([
    open(port),
    open(port, "GET /\r\n"),
    open(port, "POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\n"),
    open(port, "POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"),
    open(port, "POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc"),
    open(port, `${GET.slice(0, -2)}X: `),
  ]);
  // The last one goes on sending its header.
  const trickle = setInterval(() => slow.at(-1)?.write("a"), 200);
  const heard = await Promise.all(slow.map(async (socket) => (await socket.setEncoding("latin1").toArray()).join("")));
  clearInterval(trickle);
  for (const text of heard) {
    expect(text).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n[^]*\{"error":"the request did not arrive in time"\}$/);
  }
});

describe("floods", () => {
  test("20,000 requests on one connection at once are answered in turn", async () => {
    const socket = await open(victim.address.port);
    let text = "";
    let answers = 0;
    socket.setEncoding("latin1").on("data", (chunk: string) => {
      const parts = (text + chunk).split('{"live":true}');
      answers += parts.length - 1;
      text = parts.at(-1) ?? "";
    });
    socket.write(GET.repeat(20_000));
    await vi.waitFor(async () => {
      expect(answers).toBe(20_000);
    }, DEADLINE);
  });

  test("bodies of the largest size, many at once: some are told to come later", async () => {
    const padded = post(INFER, ORDINARY.padEnd(MAX_BODY_BYTES));
    const heard = await Promise.all(Array.from({ length: 40 }, () => say(victim.address.port, padded)));
    const statuses = new Set(heard.map(({ status }) => status));
    expect([...statuses].filter((status) => status !== 200 && status !== 503)).toEqual([]);
    expect((await say(victim.address.port, padded)).status).toBe(200);
  });

  test("answers that nobody reads take bounded memory, and others are served again once they are given up", async () => {
    const rows = 500_000;
    const head = { name: "x", shape: [rows, 3], datatype: "FP32", parameters: { binary_data_size: rows * 12 } };
    const json = JSON.stringify({ inputs: [head], parameters: { binary_data_output: true } });
    const headers = { "inference-header-content-length": json.length };
    const request = post({ ...INFER, headers }, Buffer.concat([Buffer.from(json), Buffer.alloc(rows * 12)]));
    for (let round = 0; round < 60; round += 1) {
      await open(victim.address.port, request);
    }
    await expectAlive(victim);
    await vi.waitFor(async () => {
      expect((await say(victim.address.port, post(INFER, ORDINARY))).status).toBe(200);
    }, DEADLINE);
  });
});

describe("the port of gRPC", () => {
  test.each([
    ["HTTP/1.1", GET],
    ["TLS", Buffer.from("16030100c8010000c40303", "hex")],
    ["garbage", Buffer.alloc(100_000, 0xab)],
    ["garbage behind the preface", `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${"garbage".repeat(100)}`],
  ])("%s: the connection is closed", async (_name, bytes) => {
    const socket = await open(victim.address.grpcPort, bytes);
    const heard = (await socket.setEncoding("latin1").toArray()).join("");
    expect(heard).not.toMatch(/error|\.js/i);
  });

  test("calls that are cancelled as soon as they are made", async () => {
    const session = connectHttp2(`http://127.0.0.1:${victim.address.grpcPort}`);
    session.on("error", () => undefined);
    const path = "/inference.GRPCInferenceService/ModelInfer";
    const ended = new Promise((resolve) => {
      session.on("close", resolve);
    });
    for (let call = 0; call < 20_000 && !session.destroyed && !session.closed; call += 1) {
      const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc" });
      stream.on("error", () => undefined);
      stream.close(8);
      if (call % 500 === 499) {
        await Promise.race([new Promise((resolve) => stream.on("close", resolve)), ended]);
      }
    }
    session.destroy();
    await expectAlive(victim);
    const client = makeTestClient(`127.0.0.1:${victim.address.grpcPort}`);
    expect(await client.call("ServerLive")).toEqual({ live: true });
    client.close();
  });
});

test("afterwards all is as before", async () => {
  await expectUnharmed(victim, "identity-rows");
});
