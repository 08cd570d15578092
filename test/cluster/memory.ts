// How much memory a tree of processes uses.

import { readdir, readFile } from "node:fs/promises";

export interface MemoryUse {
  /** Sum of resident sizes; pages that processes share count once for each. */
  readonly residentBytes: number;
  /** Sum of proportional sizes: shared pages are divided among those that share them. */
  readonly proportionalBytes: number;
  readonly byProcess: readonly ProcessMemory[];
}

export interface ProcessMemory {
  readonly pid: number;
  readonly command: string;
  readonly residentBytes: number;
  readonly proportionalBytes: number;
}

/** Parent of each process, by process id. A command may contain spaces and parentheses, so the last one counts. */
async function readParents(): Promise<Map<number, number>> {
  const parents = new Map<number, number>();
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  for (const pid of pids) {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
    const parent = stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[1];
    if (parent !== undefined) parents.set(pid, Number(parent));
  }
  return parents;
}

function descendants(parents: ReadonlyMap<number, number>, roots: readonly number[]): number[] {
  const children = Map.groupBy([...parents], ([, parent]) => parent);
  const found: number[] = [];
  const pending = [...roots];
  for (let pid = pending.pop(); pid !== undefined; pid = pending.pop()) {
    found.push(pid);
    pending.push(...(children.get(pid) ?? []).map(([child]) => child));
  }
  return found;
}

/** A process that ends in between uses nothing. */
async function readProcess(pid: number): Promise<ProcessMemory | undefined> {
  try {
    const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "utf8");
    const command = (await readFile(`/proc/${pid}/cmdline`, "utf8")).replaceAll("\0", " ").trim();
    const bytes = (field: string) => 1024 * Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(rollup)?.[1] ?? 0);
    return { pid, command, residentBytes: bytes("Rss"), proportionalBytes: bytes("Pss") };
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

/** Measures `roots` and everything that descends from them. */
export async function measureMemory(roots: readonly number[]): Promise<MemoryUse> {
  const pids = descendants(await readParents(), roots);
  const read = await Promise.all(pids.map(readProcess));
  const byProcess = read.filter((process) => process !== undefined);
  return {
    residentBytes: byProcess.reduce((sum, process) => sum + process.residentBytes, 0),
    proportionalBytes: byProcess.reduce((sum, process) => sum + process.proportionalBytes, 0),
    byProcess,
  };
}
