// Closed loops over HTTP with wrk, a load generator in C: it takes so little of the cores that the server has nearly all of them.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runTool } from "../../../cluster/tool.ts";
import { pinned } from "../cores.ts";
import type { HttpLoad } from "./http-load.ts";
import { type MeasuredTool, readCpuSeconds, timed } from "./measured-tool.ts";

/** Clients that each send the next request when they have the answer to the last one. */
export interface ClosedLoop {
  readonly port: number;
  readonly load: HttpLoad;
  readonly clients: number;
  /** A whole number: wrk knows no parts of a second. */
  readonly seconds: number;
  readonly cores: readonly number[];
}

export interface ClosedLoopResult extends MeasuredTool {
  /** Answers 2xx and 3xx. */
  readonly answered: number;
  /** Answers 4xx and 5xx: no part of any figure but this one. */
  readonly rejected: number;
  /** Answers 2xx and 3xx. */
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Long enough that it never ends a request: whoever waits so long shows in the percentiles. */
const TIMEOUT_SECONDS = 30;

export class Wrk {
  readonly #folder: string;
  readonly #scripts = new Map<HttpLoad, string>();

  /** @param folder for the scripts that say what is sent; of the caller, who also removes it */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Rejects where connections failed or nothing was answered: then a figure would not mean what it says. */
  async run(loop: ClosedLoop): Promise<ClosedLoopResult> {
    const { port, load, clients, seconds, cores } = loop;
    const script = await this.#script(load);
    const options = ["-t1", `-c${clients}`, `-d${seconds}s`, "--timeout", `${TIMEOUT_SECONDS}s`, "-s", script];
    const url = `http://127.0.0.1:${port}${load.path}`;
    const [program = "", ...args] = pinned(cores, timed(["wrk", ...options, url]));
    const output = await runTool(program, args);
    return parseWrkOutput(output);
  }

  async #script(load: HttpLoad): Promise<string> {
    const known = this.#scripts.get(load);
    if (known !== undefined) {
      return known;
    }
    const base = join(this.#folder, `load-${this.#scripts.size}`);
    await writeFile(`${base}.body`, load.body);
    await writeFile(`${base}.lua`, luaScript(load, `${base}.body`));
    this.#scripts.set(load, `${base}.lua`);
    return `${base}.lua`;
  }
}

/** Says what is sent, and prints what was seen as one line of JSON at the end. */
export function luaScript({ headers }: HttpLoad, bodyFile: string): string {
  return `
local file = assert(io.open(${luaString(bodyFile)}, "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
${Object.entries(headers)
  .map(([name, value]) => `wrk.headers[${luaString(name)}] = ${luaString(value)}`)
  .join("\n")}
function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    'seen {"requests":%d,"microseconds":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d,"p50":%d,"p99":%d}',
    summary.requests, summary.duration, errors.connect, errors.read, errors.write, errors.status, errors.timeout,
    latency:percentile(50), latency:percentile(99)
  ))
end
`;
}

/** Bytes other than letters, digits and a few signs as their numbers, which Lua reads whatever they are. */
function luaString(text: string): string {
  const escaped = Array.from(Buffer.from(text), (byte) =>
    /[\w ./:-]/.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : `\\${String(byte).padStart(3, "0")}`,
  );
  return `"${escaped.join("")}"`;
}

interface Seen {
  readonly requests: number;
  readonly microseconds: number;
  readonly connect: number;
  readonly read: number;
  readonly write: number;
  readonly status: number;
  readonly timeout: number;
  readonly p50: number;
  readonly p99: number;
}

/** Throws where connections failed or nothing was answered. */
export function parseWrkOutput(output: string): ClosedLoopResult {
  const [, json] = /^seen (\{.*\})$/m.exec(output) ?? [];
  if (json === undefined) {
    throw new Error(`wrk did not print what it saw: ${output.trim()}`);
  }
  const seen = JSON.parse(json) as Seen;
  const { connect, read, write, timeout, status } = seen;
  const answered = seen.requests - status;
  if (connect + read + write + timeout > 0 || answered === 0) {
    throw new Error(
      `of ${seen.requests} requests, ${status} were answered 4xx or 5xx; ` +
        `connections that failed: ${connect} opening, ${read} reading, ${write} writing, ${timeout} without an answer`,
    );
  }
  return {
    answered,
    rejected: status,
    perSecond: answered / (seen.microseconds / 1e6),
    p50Ms: seen.p50 / 1000,
    p99Ms: seen.p99 / 1000,
    cpuSeconds: readCpuSeconds(output),
  };
}
