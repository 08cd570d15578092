// The folder of the checkout in which `up` notes the cluster that it left running, and in which `down` finds it.

import { link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ClusterError } from "./errors.ts";
import { isAlive } from "./process-alive.ts";

export const checkout = join(import.meta.dirname, "..", "..");
export const stateFolder = join(checkout, ".plimsoll");
export const kubeconfigFile = join(stateFolder, "kubeconfig");
/** What the claim `models` in the cluster holds. */
export const modelFolder = join(stateFolder, "models");
export const logFile = join(stateFolder, "up.log");
/** The log of the cluster before, kept when that ended unasked. */
export const previousLogFile = join(stateFolder, "up.previous.log");

/** A cluster that cannot be used yet. */
export interface StartingState {
  /** The process that holds it. */
  readonly pid: number;
  readonly starting: true;
}

/** A cluster that runs in the background, as people need to know it. */
export interface RunningState {
  /** The process that holds it. */
  readonly pid: number;
  readonly starting: false;
  readonly directory: string;
  readonly kubectl: string;
  readonly prometheusAddress: string;
  readonly modelPort: number;
}

export type BackgroundState = StartingState | RunningState;

const stateFile = (folder: string): string => join(folder, "cluster.json");

/** Beside the file itself, so that others see it whole or not at all. */
async function writeAside(state: BackgroundState, folder: string): Promise<string> {
  const aside = `${stateFile(folder)}.${state.pid}`;
  await mkdir(folder, { recursive: true });
  await writeFile(aside, `${JSON.stringify(state, undefined, 2)}\n`);
  return aside;
}

/**
 * Notes that process `pid` starts a cluster. Throws `ClusterError` ALREADY_RUNNING when a living process holds one.
 * Should two find a dead one's note in the same moment, both may start; otherwise one process holds the claim.
 */
export async function claimState(pid: number, folder = stateFolder): Promise<void> {
  const aside = await writeAside({ pid, starting: true }, folder);
  try {
    while (!(await tryToLink(aside, stateFile(folder)))) {
      const holder = await findBackground(folder);
      if (holder !== undefined) {
        throw new ClusterError(
          "ALREADY_RUNNING",
          `process ${holder.pid} holds a cluster of this checkout already; \`make down\` ends it`,
        );
      }
      await rm(stateFile(folder), { force: true });
    }
  } finally {
    await rm(aside, { force: true });
  }
}

/** Unlike renaming, linking fails when the target is there. */
async function tryToLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Replaces what the same process wrote with `claimState`. */
export async function writeState(state: RunningState, folder = stateFolder): Promise<void> {
  await rename(await writeAside(state, folder), stateFile(folder));
}

/** Removes the note of process `pid`, and the kubeconfig beside it; another process's note stays. */
export async function removeState(pid: number, folder = stateFolder): Promise<void> {
  if ((await readState(folder))?.pid !== pid) return;
  await rm(stateFile(folder), { force: true });
  await rm(join(folder, "kubeconfig"), { force: true });
}

async function readState(folder: string): Promise<BackgroundState | undefined> {
  try {
    return JSON.parse(await readFile(stateFile(folder), "utf8")) as BackgroundState;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

async function isHeld({ pid }: BackgroundState): Promise<boolean> {
  if (!isAlive(pid)) return false;
  // Process ids are used again after a restart of the machine.
  const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return command.includes("background.ts");
}

/** The cluster in the background; `undefined` when there is none or its process has died. */
export async function findBackground(folder = stateFolder): Promise<BackgroundState | undefined> {
  const state = await readState(folder);
  return state !== undefined && (await isHeld(state)) ? state : undefined;
}

/** A cluster that ended unasked: its process is gone, but its note is there. */
export async function findEnded(folder = stateFolder): Promise<BackgroundState | undefined> {
  const state = await readState(folder);
  return state !== undefined && !(await isHeld(state)) ? state : undefined;
}
