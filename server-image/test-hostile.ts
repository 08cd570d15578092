// For tests: bytes as no decent client sends them, what the program answers to them, and what they leave behind.

import { once } from "node:events";
import { connect } from "node:net";

import { expect, vi } from "vitest";

import { type Address, MAIN, memoryOf, type Program, ready, servingArguments, startProcess } from "./test-program.ts";
import { testModel } from "./test-server.ts";

const MEBIBYTE = 1024 ** 2;

/** Small, so that all that is held of bodies at once is small against what is allowed in all. */
export const MAX_BODY_BYTES = 8 * MEBIBYTE;

/** The program that is treated badly. */
export interface Victim {
  readonly program: Program;
  readonly address: Address;
  /** Of memory, at its best. */
  readonly bytesBefore: number;
}

const ORDINARY = {
  "identity-rows": { name: "x", shape: [1, 3], datatype: "FP32", data: [1, 2, 3] },
  "identity-bytes": { name: "x", shape: [2], datatype: "BYTES", data: ["a", "b"] },
};

/**
 * As in the image, so that memory that is free goes back to the system, and with a heap that must do with little: what
 * grows then is in use.
 */
const NODE = [
  "env",
  "MALLOC_TRIM_THRESHOLD_=131072",
  process.execPath,
  "--max-semi-space-size=8",
  "--heap-growing-percent=150",
  "--max-old-space-size=64",
];

/** Starts it with one of the models, and lets it get warm. */
export async function startVictim(model: keyof typeof ORDINARY, ...argv: string[]): Promise<Victim> {
  const limits = ["--max-body-bytes", String(MAX_BODY_BYTES), "--max-queue-bytes", String(4 * MAX_BODY_BYTES)];
  const program = startProcess([
    ...NODE,
    MAIN,
    ...servingArguments(testModel(model), "/nonexistent", ...limits, ...argv),
  ]);
  const address = await ready(program);
  for (let round = 0; round < 100; round += 1) {
    expect(await inferOrdinarily(address, model)).toBe(200);
  }
  return { program, address, bytesBefore: (await memoryOf(program)).now };
}

/** Over a connection of its own, so that each I/O thread gets some. @param length of the body */
async function inferOrdinarily({ url }: Address, model: keyof typeof ORDINARY, length = 0): Promise<number> {
  const body = JSON.stringify({ inputs: [ORDINARY[model]] }).padEnd(length);
  const headers = { connection: "close" };
  const response = await fetch(`${url}/v2/models/m/infer`, { method: "POST", body, headers });
  await response.text();
  return response.status;
}

/** Throws unless it lives and says so within the time that Kubernetes gives by default, at the third probe at the latest. */
export async function expectAlive({ program, address: { url } }: Victim): Promise<void> {
  expect(program.process.exitCode ?? program.process.signalCode).toBeNull();
  const probe = async () => {
    const response = await fetch(`${url}/v2/health/live`, {
      headers: { connection: "close" },
      signal: AbortSignal.timeout(1000),
    });
    return response.status;
  };
  expect(await probe().catch(probe).catch(probe)).toBe(200);
}

/**
 * Throws unless it serves as before, has logged nothing but its start, and never took more memory than its limits add up
 * to: for each I/O thread 2 bodies of the largest size and 4 in answers, 4 waiting, 8 in buffers for further use; and each
 * request in progress has its body several times, as bytes, text, numbers and output. Most of it must be given back.
 */
export async function expectUnharmed(victim: Victim, model: keyof typeof ORDINARY): Promise<void> {
  const { program, address, bytesBefore } = victim;
  await expectAlive(victim);
  expect(program.lines.filter(({ level }) => level !== "info")).toEqual([]);
  expect(program.errors()).toBe("");
  const { most } = await memoryOf(program);
  expect(most - bytesBefore).toBeLessThan(48 * MAX_BODY_BYTES);
  await vi.waitFor(async () => {
    // Garbage goes while there is something to do.
    for (let round = 0; round < 100; round += 1) {
      expect(await inferOrdinarily(address, model, MEBIBYTE)).toBe(200);
    }
    expect((await memoryOf(program)).now - bytesBefore).toBeLessThan(150 * MEBIBYTE);
  }, 30_000);
}

/** What to send, and the status of the answer; undefined: the connection just closes. */
export type HostileRow = [sentence: string, status: number | undefined, ...bytes: (string | Buffer)[]];

/** Throws unless the answer has that status, is of the protocols' form where it is an error, and tells nothing of the inside. */
export async function expectAnswer({ address }: Victim, [, status, ...bytes]: HostileRow): Promise<void> {
  const heard = await say(address.port, ...bytes);
  expect(heard.status, heard.body).toBe(status);
  if (status !== undefined && status >= 400) {
    expect(JSON.parse(heard.body)).toEqual({ error: expect.stringMatching(/\w/) as unknown });
    expect(leaksIn(heard.body)).toEqual([]);
  }
}

/** What came back until the answer was complete or the connection closed. */
export interface Heard {
  /** Undefined where the connection closed without an answer. */
  readonly status: number | undefined;
  readonly head: string;
  readonly body: string;
}

/** Sends the parts one after the other, as fast as they are taken, and stops when the answer is there. */
export async function say(port: number, ...parts: readonly (string | Buffer)[]): Promise<Heard> {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.on("error", () => undefined);
  socket.setEncoding("latin1").on("data", (chunk: string) => {
    text += chunk;
    if (isComplete(text)) {
      socket.destroy();
    }
  });
  for (const part of parts) {
    if (!socket.write(part, "latin1") && !socket.closed) {
      await Promise.race([once(socket, "drain"), once(socket, "close")]).catch(() => undefined);
    }
  }
  if (!socket.closed) {
    await once(socket, "close");
  }
  return read(text);
}

/** Of the last answer, which is not "go on". */
function read(text: string): Heard {
  const [, status, head = "", body = ""] =
    /^(?:HTTP\/1\.1 100 [^]*?\r\n\r\n)?HTTP\/1\.1 (\d+) ([^]*?)\r\n\r\n([^]*)$/.exec(text) ?? [];
  return { status: status === undefined ? undefined : Number(status), head, body };
}

function isComplete(text: string): boolean {
  const { head, body } = read(text);
  return body.length >= Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? Number.POSITIVE_INFINITY);
}

export interface Post {
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | number>>;
}

/** A request with that body, announced with its length. */
export function post({ path, headers = {} }: Post, body: string | Buffer): Buffer {
  const bytes = Buffer.from(body);
  const lines = Object.entries({ host: "x", "content-length": bytes.length, ...headers });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\n${head}\r\n`), bytes]);
}

/** The same in chunks of so many bytes. */
export function postInChunks({ path, headers = {} }: Post, body: string, chunkBytes: number): Buffer {
  const lines = Object.entries({ host: "x", "transfer-encoding": "chunked", ...headers });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const chunks: string[] = [];
  for (let start = 0; start < body.length; start += chunkBytes) {
    const chunk = body.slice(start, start + chunkBytes);
    chunks.push(`${chunk.length.toString(16)}\r\n${chunk}\r\n`);
  }
  return Buffer.from(`POST ${path} HTTP/1.1\r\n${head}\r\n${chunks.join("")}0\r\n\r\n`, "latin1");
}

/** What an answer must not have: stack frames, names of files and folders, addresses in memory. */
const LEAKS: readonly RegExp[] = [
  /\n\s+at |\bat (?:async |new )?[\w.$<>]+ \((?:file|node|\/)/,
  /:\d+:\d+\b/,
  /\b(?:node_modules|node:internal|file:\/\/)/,
  /\.(?:ts|js|mjs|cjs|node|so|cc|cpp|h|onnx)\b/,
  /(?:^|[\s"'(=,])\/(?!v1\b|v2\b)[\w.-]+/,
  /\b0x[\da-f]{6,}/i,
];

/** What it has of that all the same. */
export function leaksIn(body: string): string[] {
  return LEAKS.flatMap((pattern) => pattern.exec(body)?.[0] ?? []);
}
