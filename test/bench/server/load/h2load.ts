// Closed loops over gRPC with h2load, a load generator in C: a client in Node would take more of the cores than the server.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runTool } from "../../../cluster/tool.ts";
import { pinned } from "../cores.ts";
import type { HttpLoad } from "./http-load.ts";
import { type MeasuredTool, readCpuSeconds, timed } from "./measured-tool.ts";

/** Each client has a connection of its own with one call at a time on it. */
export interface GrpcLoop {
  readonly port: number;
  readonly load: HttpLoad;
  readonly clients: number;
  readonly seconds: number;
  readonly cores: readonly number[];
}

export interface GrpcLoopResult extends MeasuredTool {
  /**
   * Calls that ended with an HTTP status of success. h2load does not look at gRPC's own status: the caller compares this
   * with what the server says it answered.
   */
  readonly answered: number;
  readonly perSecond: number;
}

export class H2load {
  readonly #folder: string;

  /** @param folder for the file that is sent; of the caller, who also removes it */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Rejects where calls failed. */
  async run({ port, load, clients, seconds, cores }: GrpcLoop): Promise<GrpcLoopResult> {
    const body = join(this.#folder, "grpc.body");
    await writeFile(body, load.body);
    const headers = Object.entries(load.headers).flatMap(([name, value]) => ["--header", `${name}: ${value}`]);
    const options = ["-t1", `-c${clients}`, "-m1", `-D${seconds}`, `--data=${body}`, ...headers];
    const url = `http://127.0.0.1:${port}${load.path}`;
    const [program = "", ...args] = pinned(cores, timed(["h2load", ...options, url]));
    return parseH2loadOutput(await runTool(program, args));
  }
}

/** Throws where calls failed. */
export function parseH2loadOutput(output: string): GrpcLoopResult {
  const [, rate] = /^finished in [^,]+, ([\d.]+) req\/s/m.exec(output) ?? [];
  const [, succeeded, failed, errored, timedOut] =
    /^requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout$/m.exec(output) ?? [];
  if (rate === undefined || succeeded === undefined) {
    throw new Error(`h2load did not print what it saw: ${output.trim()}`);
  }
  const lost = Number(failed) + Number(errored) + Number(timedOut);
  if (lost > 0 || Number(succeeded) === 0) {
    throw new Error(`${succeeded} calls succeeded, ${failed} failed, ${errored} errored, ${timedOut} had no answer`);
  }
  return { answered: Number(succeeded), perSecond: Number(rate), cpuSeconds: readCpuSeconds(output) };
}
