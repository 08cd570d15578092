// CPU and memory limits of containers, through cgroup v1 or v2, whichever the machine has mounted for the controller.

import { mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ResourceRequirements } from "kubernetes-types/core/v1.js";
import { type Controllers, findControllers, limitFiles, parentFiles } from "./control-group-files.ts";

/** The group of one container. A process joins it by writing 0 to each of `processFiles`. */
export interface ControlGroup {
  readonly processFiles: readonly string[];
  /** How many of its processes the kernel has killed for lack of memory. */
  countMemoryKills(): Promise<number>;
  /** To be called when its processes have ended. */
  remove(): Promise<void>;
}

const unlimited: ControlGroup = { processFiles: [], countMemoryKills: async () => 0, remove: async () => {} };

/** All groups lie in one folder per controller, so that whoever finds them left over can remove them. */
export class ControlGroups {
  readonly #folders: readonly Controllers[];
  /** Why limits cannot be enforced, for each controller that cannot; empty when all can. */
  readonly problems: readonly string[];

  private constructor(folders: readonly Controllers[], problems: readonly string[]) {
    this.#folders = folders;
    this.problems = problems;
  }

  /** Makes the parent folders after removing what an earlier run may have left in them. */
  static async open(parent: string): Promise<ControlGroups> {
    const folders: Controllers[] = [];
    const problems: string[] = [];
    const mounted = findControllers(await readFile("/proc/self/mountinfo", "utf8"));
    const missing = ["cpu", "memory"].filter((name) => !mounted.some(({ names }) => names.some((own) => own === name)));
    for (const name of missing) problems.push(`${name}: no cgroup file system with this controller is mounted`);
    for (const controllers of mounted) {
      try {
        folders.push(await makeParent(controllers, parent));
      } catch (error) {
        problems.push(`${controllers.names.join(" and ")}: ${(error as Error).message}`);
      }
    }
    return new ControlGroups(folders, problems);
  }

  /** @param name unique among the groups that exist */
  async create(name: string, resources: ResourceRequirements | undefined): Promise<ControlGroup> {
    if (this.#folders.length === 0) return unlimited;
    const groups = this.#folders.map((parent) => ({ ...parent, folder: join(parent.folder, name) }));
    for (const { version, names, folder } of groups) {
      await mkdir(folder, { recursive: true });
      for (const [file, value] of limitFiles(version, names, resources ?? {}))
        await writeFile(join(folder, file), value);
    }
    return {
      processFiles: groups.map(({ folder }) => join(folder, "cgroup.procs")),
      countMemoryKills: () => countMemoryKills(groups),
      remove: async () => {
        for (const { folder } of groups) await removeFolder(folder);
      },
    };
  }

  /** Removes the parent folder; its groups must be empty of processes. */
  async close(): Promise<void> {
    for (const { folder } of this.#folders) await removeTree(folder);
  }
}

/** Removes the groups that a process node with this `cgroupParent` left behind, in every mounted controller. */
export async function removeControlGroups(parent: string): Promise<void> {
  const mounted = findControllers(await readFile("/proc/self/mountinfo", "utf8"));
  for (const { folder } of mounted) await removeTree(join(folder, parent));
}

async function makeParent(mounted: Controllers, parent: string): Promise<Controllers> {
  const folder = join(mounted.folder, parent);
  await removeTree(folder);
  const enable = mounted.names.map((name) => `+${name}`).join(" ");
  if (mounted.version === 2) await writeFile(join(mounted.folder, "cgroup.subtree_control"), enable);
  await mkdir(folder, { recursive: true });
  if (mounted.version === 2) await writeFile(join(folder, "cgroup.subtree_control"), enable);
  for (const [file, value] of parentFiles(mounted.version, mounted.names, cpus().length))
    await writeFile(join(folder, file), value);
  return { ...mounted, folder };
}

async function countMemoryKills(groups: readonly Controllers[]): Promise<number> {
  const group = groups.find(({ names }) => names.includes("memory"));
  if (group === undefined) return 0;
  const file = group.version === 2 ? "memory.events" : "memory.oom_control";
  const text = await readFile(join(group.folder, file), "utf8");
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
}

async function removeTree(folder: string): Promise<void> {
  let entries: string[];
  try {
    const found = await readdir(folder, { withFileTypes: true });
    entries = found.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  for (const entry of entries) await removeTree(join(folder, entry));
  await removeFolder(folder);
}

/** The kernel says "busy" for a moment after the last process of a group has ended. */
async function removeFolder(folder: string): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await rmdir(folder);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT") return;
      if (code !== "EBUSY" || attempt === 20) throw error;
      await sleep(10 * attempt);
    }
  }
}
