// Whether pods' CPU and memory limits can be enforced on this machine.

import { mkdir, readFile, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { findControllers } from "./process-node/control-group-files.ts";

/** Tries to make a control group called `name` for each controller, and returns why one cannot be made; else `undefined`. */
export async function findLimitObstacle(name: string): Promise<string | undefined> {
  const mounted = findControllers(await readFile("/proc/self/mountinfo", "utf8"));
  const found = new Set(mounted.flatMap(({ names }) => names));
  const missing = (["cpu", "memory"] as const).filter((controller) => !found.has(controller));
  if (missing.length > 0) return `no control groups are mounted for ${missing.join(" and ")}`;
  for (const { folder } of mounted) {
    const group = join(folder, name);
    try {
      await mkdir(group);
      await rmdir(group);
    } catch (error) {
      return `${group} cannot be made (${(error as NodeJS.ErrnoException).code})`;
    }
  }
  return undefined;
}
