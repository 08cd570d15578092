// The machine's file system: what a container's root directory is planned from, and where the plan is carried out.

import { lstatSync, readdirSync, readlinkSync, realpathSync } from "node:fs";
import { chmod, mkdir, open, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { LayoutStep, Machine } from "./root-directory.ts";

export const machine: Machine = {
  kind(path) {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) return "missing";
    if (stats.isSymbolicLink()) return "link";
    return stats.isDirectory() ? "directory" : "file";
  },
  list: (path) => readdirSync(path),
  readLink: (path) => readlinkSync(path),
  realPath(path) {
    try {
      return realpathSync(path);
    } catch {
      return undefined;
    }
  },
};

/** Makes the directory and takes the steps that need no mount namespace; the `bind` steps are left to the container's set-up script. */
export async function makeRootDirectory(root: string, steps: readonly LayoutStep[]): Promise<void> {
  await mkdir(root, { recursive: true });
  for (const step of steps) {
    if (step.do === "make directory") await mkdir(step.path, { recursive: true });
    else if (step.do === "make file") {
      await mkdir(dirname(step.path), { recursive: true });
      await (await open(step.path, "a")).close();
    } else if (step.do === "link") await symlink(step.to, step.path);
  }
  for (const name of ["tmp", "dev/shm"]) await chmod(join(root, name), 0o1777);
}
