// Kills the inference server of a pod, as a crash would.

import { readdir, readFile, readlink } from "node:fs/promises";
import { basename } from "node:path";

/** Ends every inference server that serves a model of this name; let the name be one that no other cluster uses. Resolves with how many. */
export async function killModelServers(modelName: string): Promise<number> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const serving = await Promise.all(pids.map((pid) => serves(pid, modelName)));
  const chosen = pids.filter((_pid, index) => serving[index]);
  for (const pid of chosen) process.kill(pid, "SIGKILL");
  return chosen.length;
}

/** The programs that wait for a container have its command line too: only Node itself counts. */
async function serves(pid: number, modelName: string): Promise<boolean> {
  try {
    const commandLine = (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0");
    return commandLine.includes(`--model-name=${modelName}`) && basename(await readlink(`/proc/${pid}/exe`)) === "node";
  } catch {
    // It has ended meanwhile, or is not ours.
    return false;
  }
}
