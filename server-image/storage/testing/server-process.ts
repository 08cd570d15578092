// For tests: somebody else's server as a child process on a port of loopback, and a way to it that breaks.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

import { freePort } from "../../../test/free-port.ts";

const START_DEADLINE_MS = 30_000;

export interface ServerProcess {
  readonly port: number;
  readonly stop: () => Promise<void>;
}

/**
 * Starts `program` and waits until it takes connections. @param args gets a port that is free
 * @param environment variables beside those of this process
 */
export async function startServerProcess(
  program: string,
  args: (port: number) => readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<ServerProcess> {
  const port = await freePort();
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  // `env` adds to the environment, which a child inherits where none is given.
  const child = spawn("env", [...variables, program, ...args(port)], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output = `${output}${chunk.toString()}`.slice(-2000);
    });
  }
  await waitForPort(port, child, () => output);
  const stop = async () => {
    const exit = once(child, "exit");
    child.kill("SIGKILL");
    await exit;
  };
  return { port, stop };
}

async function waitForPort(port: number, child: ChildProcess, output: () => string): Promise<void> {
  const deadline = performance.now() + START_DEADLINE_MS;
  while (!(await takesConnections(port))) {
    if (child.exitCode !== null || performance.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`the server did not start: ${output()}`);
    }
    await sleep(50);
  }
}

async function takesConnections(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
  const result = await promise;
  socket.destroy();
  return result;
}

/** What happens to the answer of one connection, after so many bytes. */
export interface Fault {
  readonly afterBytes: number;
  readonly kind: "reset" | "stall" | "flip a bit";
}

export interface FaultyWay {
  readonly port: number;
  /** What each connection asked for: the first lines. */
  readonly requests: readonly string[];
  readonly stop: () => Promise<void>;
}

/** Passes connections on to `port`; the first ones meet the faults, in turn. */
export async function startFaultyWay(port: number, faults: readonly Fault[]): Promise<FaultyWay> {
  const requests: string[] = [];
  const sockets: Socket[] = [];
  const server = createServer((client) => {
    const index = requests.push("") - 1;
    const upstream = connect(port, "127.0.0.1");
    sockets.push(client, upstream);
    client.on("data", (chunk: Buffer) => {
      requests[index] += chunk.toString("latin1");
    });
    client.on("error", () => undefined).on("close", () => upstream.destroy());
    upstream.on("error", () => client.destroy());
    client.pipe(upstream);
    passOn(upstream, client, faults[index]);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const stop = async () => {
    for (const socket of sockets) {
      socket.destroy();
    }
    server.close();
    await once(server, "close");
  };
  return { port: (server.address() as AddressInfo).port, requests, stop };
}

function passOn(upstream: Socket, client: Socket, fault: Fault | undefined): void {
  if (fault === undefined) {
    upstream.pipe(client);
    return;
  }
  let passed = 0;
  upstream.on("data", (chunk: Buffer) => {
    const index = fault.afterBytes - passed;
    passed += chunk.length;
    const isHere = index >= 0 && index < chunk.length;
    if (fault.kind === "flip a bit") {
      client.write(isHere ? chunk.map((byte, at) => (at === index ? byte ^ 1 : byte)) : chunk);
    } else if (isHere) {
      client.write(chunk.subarray(0, index), () => (fault.kind === "reset" ? client.resetAndDestroy() : undefined));
    } else if (index > 0) {
      client.write(chunk);
    }
  });
  upstream.on("end", () => (fault.kind === "flip a bit" ? client.end() : undefined));
}
