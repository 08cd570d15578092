// Finds and removes what clusters left behind whose starter is gone: folders and control groups.

import { readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive } from "./process-alive.ts";
import { findControllers } from "./process-node/control-group-files.ts";
import { removeControlGroups } from "./process-node/control-groups.ts";

/** A cluster's folder and its control groups' parent have the same name. No temporary folder of others ends like it. */
export function clusterFolderName(name: string, starterPid: number): string {
  return `plimsoll-${name}.${starterPid}`;
}

/** The starter's process id in the name of a cluster's folder, or `undefined` for other names. */
export function starterOf(folderName: string): number | undefined {
  const pid = /^plimsoll-.+\.(\d+)$/.exec(folderName)?.[1];
  return pid === undefined ? undefined : Number(pid);
}

async function deadFolders(parent: string): Promise<string[]> {
  const names = await readdir(parent);
  return names.filter((name) => {
    const pid = starterOf(name);
    return pid !== undefined && !isAlive(pid);
  });
}

/** Returns the names of what was removed. Folders of other users stay: their next start removes them. */
export async function removeLeftovers(): Promise<readonly string[]> {
  const removed: string[] = [];
  const mounted = findControllers(await readFile("/proc/self/mountinfo", "utf8"));
  for (const { folder } of mounted) {
    for (const name of await deadFolders(folder)) {
      if (await succeeds(removeControlGroups(name))) removed.push(`control groups ${name}`);
    }
  }
  for (const name of await deadFolders(tmpdir())) {
    if (await succeeds(rm(join(tmpdir(), name), { recursive: true, force: true }))) removed.push(`folder ${name}`);
  }
  return removed;
}

async function succeeds(action: Promise<void>): Promise<boolean> {
  try {
    await action;
    return true;
  } catch (error) {
    if (["EACCES", "EPERM", "EROFS"].includes((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw error;
  }
}
