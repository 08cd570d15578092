// A thread that sends one request over and over on several connections, to find out what answering it costs.

import { connect, type Socket } from "node:net";
import { parentPort, workerData } from "node:worker_threads";

import { threadCpuSeconds } from "../this-machine.ts";
import type { ProbeClientSettings, ProbeCommand, ProbeReport } from "./probe-messages.ts";
import { ProbeTally } from "./probe-tally.ts";

const { port, connections } = workerData as ProbeClientSettings;
const HEAD_END = Buffer.from("\r\n\r\n");

let request = Buffer.alloc(0);
let tally: ProbeTally | undefined;
let unanswered = 0;
let whenQuiet: (() => void) | undefined;

/** Counts the answers on one connection; sends the next request with each. */
class Connection {
  readonly #socket: Socket;
  #head: Buffer = Buffer.alloc(0);
  #bodyLeft = 0;
  #waits = false;
  #ok = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("error", () => undefined);
    socket.on("close", () => {
      if (this.#waits) {
        this.#end(false);
      }
    });
  }

  send(): void {
    if (this.#socket.destroyed) {
      tally?.ended(false);
      return;
    }
    this.#waits = true;
    unanswered += 1;
    this.#socket.write(request);
  }

  end(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    if (this.#bodyLeft > 0) {
      this.#readBody(chunk.length);
      return;
    }
    this.#head = this.#head.length === 0 ? chunk : Buffer.concat([this.#head, chunk]);
    const end = this.#head.indexOf(HEAD_END);
    if (end < 0) {
      return;
    }
    const head = this.#head.toString("latin1", 0, end);
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
    const rest = this.#head.length - end - HEAD_END.length;
    this.#ok = head.startsWith("HTTP/1.1 200");
    this.#head = Buffer.alloc(0);
    this.#bodyLeft = length;
    this.#readBody(rest);
  }

  #readBody(length: number): void {
    this.#bodyLeft -= length;
    if (this.#bodyLeft > 0) {
      return;
    }
    this.#end(this.#ok);
  }

  #end(ok: boolean): void {
    this.#waits = false;
    unanswered -= 1;
    tally?.ended(ok);
    if (tally?.running === true) {
      this.send();
    }
    if (unanswered === 0) {
      whenQuiet?.();
    }
  }
}

async function open(): Promise<Connection> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect(port, "127.0.0.1", resolve);
  socket.once("error", reject);
  await promise;
  return new Connection(socket);
}

const opened = await Promise.all(Array.from({ length: connections }, open));

/** Keeps all connections busy for a while; its report comes when the last answer is there. */
async function slice({ bytes, ...lengths }: ProbeCommand): Promise<ProbeReport> {
  request = Buffer.from(bytes);
  tally = new ProbeTally({ ...lengths, clock: () => performance.now(), cpuSeconds: threadCpuSeconds });
  const quiet = Promise.withResolvers<void>();
  whenQuiet = quiet.resolve;
  for (const connection of opened) {
    connection.send();
  }
  if (unanswered > 0) {
    await quiet.promise;
  }
  return tally.report();
}

parentPort?.on("message", (command: ProbeCommand | "end") => {
  if (command === "end") {
    for (const connection of opened) {
      connection.end();
    }
    parentPort?.close();
    return;
  }
  void slice(command).then((report) => parentPort?.postMessage(report, []));
});
parentPort?.postMessage("open", []);
