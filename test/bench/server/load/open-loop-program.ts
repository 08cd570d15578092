// The load generator of open loops, a process of its own: sends when a request is due and never waits for answers.
//
//   node open-loop-program.ts ORDER        (an OpenLoopOrder as JSON)
//
// Prints an OpenLoopResult as one line of JSON. On raw sockets, because a client library would take several times as much of
// the cores as it leaves to the server.

import { readFileSync } from "node:fs";
import { constants, setPriority } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { arrivalTimes } from "./arrival-times.ts";
import { Connection, type ConnectionOwner } from "./connection.ts";
import type { OpenLoopOrder, OpenLoopResult } from "./open-loop.ts";
import { OpenLoopTally, type SentRequest } from "./open-loop-tally.ts";

/** Who has no answer by then gets none. */
const DEADLINE_SECONDS = 5;
/** Connections that are there before the first request is due, at most: none should be idle for seconds. */
const MAX_FIRST_CONNECTIONS = 64;
/** More open requests than any server here answers in time; the rest of the load is lost without being sent. */
const MAX_CONNECTIONS = 8000;

class OpenLoop {
  readonly tally: OpenLoopTally;
  readonly #port: number;
  readonly #bytes: Buffer;
  /** First in, first out: all connections are used, as by many clients. */
  readonly #idle: Connection[] = [];
  readonly #waiting = new Map<Connection, SentRequest>();
  readonly #owner: ConnectionOwner;

  constructor({ port, limitSeconds, ratePerSecond }: OpenLoopOrder, bytes: Buffer) {
    this.#port = port;
    this.#bytes = bytes;
    this.tally = new OpenLoopTally(limitSeconds);
    this.#owner = {
      answered: (connection, status, reusable) => {
        const request = this.#take(connection);
        if (request !== undefined) {
          this.tally.ended(request, status, now());
        }
        if (reusable) {
          this.#idle.push(connection);
        }
      },
      failed: (connection, reason) => {
        if (this.#take(connection) !== undefined) {
          this.tally.lost(reason);
          return;
        }
        const position = this.#idle.indexOf(connection);
        if (position >= 0) {
          this.#idle.splice(position, 1);
        }
      },
    };
    const length = Math.min(MAX_FIRST_CONNECTIONS, Math.ceil(ratePerSecond));
    this.#idle.push(...Array.from({ length }, () => new Connection(port, this.#owner)));
  }

  send(due: number): void {
    const request = { due, sent: now() };
    this.tally.sent(request);
    if (this.#waiting.size >= MAX_CONNECTIONS) {
      this.tally.lost(`more than ${MAX_CONNECTIONS} requests without an answer`);
      return;
    }
    const connection = this.#idle.shift() ?? new Connection(this.#port, this.#owner);
    this.#waiting.set(connection, request);
    connection.send(this.#bytes);
  }

  /** Gives up on requests that wait too long; they were sent in this order. */
  expire(): void {
    for (const [connection, { due }] of this.#waiting) {
      if (now() - due < DEADLINE_SECONDS) {
        return;
      }
      this.#waiting.delete(connection);
      connection.destroy();
      this.tally.lost(`no answer in ${DEADLINE_SECONDS} s`);
    }
  }

  #take(connection: Connection): SentRequest | undefined {
    const request = this.#waiting.get(connection);
    this.#waiting.delete(connection);
    return request;
  }
}

function now(): number {
  return performance.now() / 1000;
}

/** Timers have milliseconds: what is due within the same one is sent together. */
function sendAll(loop: OpenLoop, times: readonly number[]): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let next = 0;
  const step = () => {
    for (let due = times[next]; due !== undefined && due <= now(); due = times[next]) {
      loop.send(due);
      next += 1;
    }
    const due = times[next];
    if (due === undefined) {
      resolve();
    } else {
      setTimeout(step, (due - now()) * 1000);
    }
  };
  step();
  return promise;
}

function requestBytes({ path, headers, bodyFile }: OpenLoopOrder): Buffer {
  const body = readFileSync(bodyFile);
  const lines = Object.entries({ host: "127.0.0.1", ...headers, "content-length": String(body.length) });
  const head = `POST ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

/**
 * Where it is allowed, before others in turn for a core: clients are elsewhere in real life, so a busy server does not make
 * them late. It takes no more of the cores this way.
 */
function comeFirst(): void {
  try {
    setPriority(constants.priority.PRIORITY_HIGH);
  } catch {
    // Only root may; how late requests were sent is in the result.
  }
}

async function main(order: OpenLoopOrder): Promise<void> {
  comeFirst();
  const loop = new OpenLoop(order, requestBytes(order));
  await sleep(200);
  const start = now();
  const times = arrivalTimes(order).map((seconds) => start + seconds);
  const cpuBefore = process.cpuUsage();
  const expiring = setInterval(() => loop.expire(), 100);
  await sendAll(loop, times);
  const cpu = process.cpuUsage(cpuBefore);
  const seconds = now() - start;
  while (loop.tally.open > 0) {
    await sleep(10);
  }
  clearInterval(expiring);
  const cpuShare = (cpu.user + cpu.system) / 1e6 / seconds;
  const result: OpenLoopResult = { ...loop.tally.report(), seconds, cpuShare };
  process.stdout.write(`${JSON.stringify(result)}\n`);
  process.exit(0);
}

await main(JSON.parse(process.argv[2] ?? "") as OpenLoopOrder);
