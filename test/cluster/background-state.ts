// The folder of the checkout in which `up` notes the cluster that it left running, and in which `down` finds it.

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isAlive } from "./process-alive.ts";

export const checkout = join(import.meta.dirname, "..", "..");
export const stateFolder = join(checkout, ".plimsoll");
export const kubeconfigFile = join(stateFolder, "kubeconfig");
/** What the claim `models` in the cluster holds. */
export const modelFolder = join(stateFolder, "models");
export const logFile = join(stateFolder, "up.log");
const stateFile = join(stateFolder, "cluster.json");

/** A cluster that runs in the background, as people need to know it. */
export interface BackgroundState {
  /** The process that holds it. */
  readonly pid: number;
  readonly directory: string;
  readonly kubectl: string;
  readonly prometheusAddress: string;
  readonly modelPort: number;
}

export async function writeState(state: BackgroundState): Promise<void> {
  await mkdir(stateFolder, { recursive: true });
  await writeFile(stateFile, `${JSON.stringify(state, undefined, 2)}\n`);
}

export async function removeState(): Promise<void> {
  await rm(stateFile, { force: true });
  await rm(kubeconfigFile, { force: true });
}

async function readState(): Promise<BackgroundState | undefined> {
  try {
    return JSON.parse(await readFile(stateFile, "utf8")) as BackgroundState;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** The cluster in the background; `undefined` when there is none or its process has died. */
export async function findBackground(): Promise<BackgroundState | undefined> {
  const state = await readState();
  if (state === undefined || !isAlive(state.pid)) return undefined;
  // Process ids are used again after a restart of the machine.
  const command = await readFile(`/proc/${state.pid}/cmdline`, "utf8").catch(() => "");
  return command.includes("background.ts") ? state : undefined;
}
