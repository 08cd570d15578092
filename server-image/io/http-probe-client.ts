// A thread that sends one request over and over on several connections, to find out what answering it costs.

import { connect, type Socket } from "node:net";
import { parentPort, workerData } from "node:worker_threads";

import type { ProbeClientSettings, ProbeCommand, ProbeReport } from "./probe-messages.ts";

const { port, connections } = workerData as ProbeClientSettings;
const HEAD_END = Buffer.from("\r\n\r\n");

let request = Buffer.alloc(0);
let running = false;
let answered = 0;
let answeredInTime = 0;
let failed = 0;
let unanswered = 0;
let whenQuiet: (() => void) | undefined;

/** Counts the answers on one connection; sends the next request with each. */
class Connection {
  readonly #socket: Socket;
  #head: Buffer = Buffer.alloc(0);
  #bodyLeft = 0;
  #waits = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("error", () => undefined);
    socket.on("close", () => {
      if (this.#waits) {
        failed += 1;
        this.#end();
      }
    });
  }

  send(): void {
    if (this.#socket.destroyed) {
      failed += 1;
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
    if (!head.startsWith("HTTP/1.1 200")) {
      failed += 1;
    }
    this.#head = Buffer.alloc(0);
    this.#bodyLeft = length;
    this.#readBody(rest);
  }

  #readBody(length: number): void {
    this.#bodyLeft -= length;
    if (this.#bodyLeft > 0) {
      return;
    }
    answered += 1;
    this.#end();
    if (running) {
      this.send();
    }
  }

  #end(): void {
    this.#waits = false;
    unanswered -= 1;
    tellWhenQuiet();
  }
}

function tellWhenQuiet(): void {
  if (!running && unanswered === 0) {
    whenQuiet?.();
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
async function slice({ bytes, milliseconds }: ProbeCommand): Promise<ProbeReport> {
  request = Buffer.from(bytes);
  [answered, failed, running] = [0, 0, true];
  const before = process.threadCpuUsage();
  const quiet = Promise.withResolvers<void>();
  whenQuiet = quiet.resolve;
  for (const connection of opened) {
    connection.send();
  }
  setTimeout(() => {
    answeredInTime = answered;
    running = false;
    tellWhenQuiet();
  }, milliseconds);
  await quiet.promise;
  const { user, system } = process.threadCpuUsage(before);
  return { answered, answeredInTime, failed, cpuSeconds: (user + system) / 1e6 };
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
