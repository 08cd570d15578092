// One HTTP request over and over on several connections, by hand: a library would cost more than the server does.

import { connect, type Socket } from "node:net";

import type { Probe } from "./probe.ts";
import type { ProbeTally } from "./probe-tally.ts";

const HEAD_END = Buffer.from("\r\n\r\n");

/** Rejects where a connection cannot be had. */
export async function openHttp(port: number, connections: number): Promise<Probe> {
  const opened = await Promise.all(Array.from({ length: connections }, () => open(port)));
  return {
    keepBusy: async (request, tally) => {
      await Promise.all(opened.map((connection) => connection.keepBusy(request, tally)));
    },
    end: () => {
      for (const connection of opened) {
        connection.end();
      }
    },
  };
}

async function open(port: number): Promise<Connection> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect(port, "127.0.0.1", resolve);
  socket.once("error", reject);
  await promise;
  return new Connection(socket);
}

/** What a connection does in one stretch. */
interface Task {
  readonly request: Buffer;
  readonly tally: ProbeTally;
  readonly done: () => void;
}

/** Counts the answers on one connection; sends the next request with each. */
class Connection {
  readonly #socket: Socket;
  #task: Task | undefined;
  #head: Buffer = Buffer.alloc(0);
  #bodyLeft = 0;
  #ok = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("error", () => undefined);
    socket.on("close", () => this.#end(false));
  }

  async keepBusy(request: Buffer, tally: ProbeTally): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#task = { request, tally, done: resolve };
    if (this.#socket.destroyed) {
      this.#end(false);
    } else {
      this.#socket.write(request);
    }
    return promise;
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
    if (this.#bodyLeft <= 0) {
      this.#end(this.#ok);
    }
  }

  /** The end of one request, answered or not; nothing where none is under way. */
  #end(ok: boolean): void {
    const task = this.#task;
    if (task === undefined) {
      return;
    }
    task.tally.ended(ok);
    if (task.tally.running && !this.#socket.destroyed) {
      this.#socket.write(task.request);
    } else {
      this.#task = undefined;
      task.done();
    }
  }
}
