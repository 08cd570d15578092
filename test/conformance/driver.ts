// Runs a driver: a Python program that tries one client on the servers and reports case by case.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { runTool } from "../cluster/tool.ts";
import type { ServerAddress } from "./model-servers.ts";

export interface CaseResult {
  readonly name: string;
  readonly ok: boolean;
  /** A Python stack where the case failed. */
  readonly detail: string;
}

export interface DriverRun {
  /** By the case's name, in order; cases that the driver did not come to are missing. */
  readonly results: ReadonlyMap<string, CaseResult>;
  /** What the driver and its clients printed, and how it ended. */
  readonly printed: string;
}

/** Without compiled files, which would lie among the sources. */
const environment = { ...process.env, PYTHONDONTWRITEBYTECODE: "1" };

/** The names of a driver's cases. Throws `ToolError` with what Python printed when its imports fail. */
export async function listCases(python: string, driver: string): Promise<readonly string[]> {
  return JSON.parse(await runTool(python, [driver, "list"], { environment })) as string[];
}

/** @param servers by the key that the driver's cases use */
export async function runDriver(
  python: string,
  driver: string,
  servers: Readonly<Record<string, ServerAddress>>,
): Promise<DriverRun> {
  const child = spawn(python, [driver, "run"], { env: environment, stdio: ["pipe", "pipe", "pipe"] });
  const results = new Map<string, CaseResult>();
  let printed = "";
  createInterface(child.stdout).on("line", (line) => {
    const result = JSON.parse(line) as CaseResult;
    results.set(result.name, result);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    printed += text;
  });
  // A driver whose imports fail ends without reading.
  child.stdin.on("error", () => {});
  child.stdin.end(JSON.stringify(servers));
  const [code] = (await once(child, "close")) as [number | null];
  return { results, printed: `${printed}\nended with code ${code}` };
}
