// Runs an open loop: requests at random times that never wait for answers, as from many clients who know nothing of each other.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runTool } from "../../../cluster/tool.ts";
import { pinned } from "../cores.ts";
import type { ArrivalPlan } from "./arrival-times.ts";
import type { HttpLoad } from "./http-load.ts";
import type { OpenLoopReport } from "./open-loop-tally.ts";

const program = fileURLToPath(new URL("open-loop-program.ts", import.meta.url));

/** The generator's only argument, as JSON. */
export interface OpenLoopOrder extends ArrivalPlan {
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bodyFile: string;
  /** Later answers do not count as answered in time. */
  readonly limitSeconds: number;
}

export interface OpenLoopResult extends OpenLoopReport {
  /** Over which requests were sent. */
  readonly seconds: number;
  /** Of one core, that the generator took meanwhile. */
  readonly cpuShare: number;
}

export interface OpenLoop extends ArrivalPlan {
  readonly port: number;
  readonly load: HttpLoad;
  readonly limitSeconds: number;
  readonly cores: readonly number[];
}

/** @param folder for the file that is sent; of the caller, who also removes it */
export async function runOpenLoop(folder: string, { load, cores, ...plan }: OpenLoop): Promise<OpenLoopResult> {
  const bodyFile = join(folder, "open-loop.body");
  await writeFile(bodyFile, load.body);
  const order: OpenLoopOrder = { ...plan, path: load.path, headers: load.headers, bodyFile };
  const [command = "", ...args] = pinned(cores, [process.execPath, program, JSON.stringify(order)]);
  return JSON.parse(await runTool(command, args)) as OpenLoopResult;
}
