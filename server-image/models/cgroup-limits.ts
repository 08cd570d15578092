// How much CPU and memory this process may use: Node sees the machine, not the limits of the container's cgroup.

import { readFileSync } from "node:fs";
import path from "node:path";

/** Reads a file; undefined where there is none. */
export type ReadFile = (file: string) => string | undefined;

interface Mount {
  /** The part of the hierarchy that is mounted, as the kernel names cgroups. */
  readonly root: string;
  readonly mountPoint: string;
}

/**
 * The CPU limit in CPUs, for example 0.2; undefined where there is none. The least of this cgroup's quota and those of
 * all cgroups above it that can be seen; cgroup v1, v2 and both together.
 */
export function readCpuLimit(readFile: ReadFile = readFileIfPresent): number | undefined {
  return least([
    ...readAll(readFile, "v2", "cpu.max").map(parseV2),
    ...readAll(readFile, "cpu", "cpu.cfs_quota_us", "cpu.cfs_period_us").map(parseV1),
  ]);
}

/** The memory limit in bytes; undefined where there is none. Found as the CPU limit is. */
export function readMemoryLimit(readFile: ReadFile = readFileIfPresent): number | undefined {
  return least([
    ...readAll(readFile, "v2", "memory.max").map(parseBytes),
    ...readAll(readFile, "memory", "memory.limit_in_bytes").map(parseBytes),
  ]);
}

/** How often the CPU limit has stopped this cgroup's threads; undefined where that is not told. */
export function readThrottledPeriods(readFile: ReadFile = readFileIfPresent): number | undefined {
  const [text] = [...readAll(readFile, "v2", "cpu.stat"), ...readAll(readFile, "cpu", "cpu.stat")].flat();
  const count = /^nr_throttled (\d+)$/m.exec(text ?? "")?.[1];
  return count === undefined ? undefined : Number(count);
}

function least(limits: readonly (number | undefined)[]): number | undefined {
  const known = limits.filter((limit) => limit !== undefined);
  return known.length > 0 ? Math.min(...known) : undefined;
}

/** The files of these names, from this process' cgroup and then from each above it, in one hierarchy. */
function readAll(
  readFile: ReadFile,
  hierarchy: "v2" | "cpu" | "memory",
  ...names: readonly string[]
): (string | undefined)[][] {
  const memberships = parseMemberships(readFile("/proc/self/cgroup") ?? "");
  const mount = findMount(readFile("/proc/self/mountinfo") ?? "", hierarchy);
  return cgroupFolders(mount, memberships.get(hierarchy === "v2" ? "" : hierarchy)).map((folder) =>
    names.map((name) => readFile(path.join(folder, name))),
  );
}

/** Threads that a model may use: whole CPUs of the limit and the machine, at least 1. */
export function usableThreads(cpuLimit: number | undefined, availableParallelism: number): number {
  return Math.max(1, Math.floor(Math.min(cpuLimit ?? availableParallelism, availableParallelism)));
}

/** Lines `id:controllers:path` to a map from controller to path; the v2 hierarchy has the empty name. */
function parseMemberships(text: string): Map<string, string> {
  const memberships = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, controllers, cgroup] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    for (const controller of controllers?.split(",") ?? []) {
      memberships.set(controller, cgroup ?? "");
    }
  }
  return memberships;
}

/** The mount of the v2 hierarchy, or of one of v1's controllers. */
function findMount(mountinfo: string, hierarchy: "v2" | "cpu" | "memory"): Mount | undefined {
  for (const line of mountinfo.split("\n")) {
    // id parent device ROOT MOUNTPOINT options [optional...] - TYPE source SUPEROPTIONS
    const [before = "", after = ""] = line.split(" - ");
    const [, , , root, mountPoint] = before.split(" ");
    const [fileSystem, , superOptions = ""] = after.split(" ");
    const matches =
      hierarchy === "v2"
        ? fileSystem === "cgroup2"
        : fileSystem === "cgroup" && superOptions.split(",").includes(hierarchy);
    if (matches && root !== undefined && mountPoint !== undefined) {
      return { root, mountPoint };
    }
  }
  return undefined;
}

/** The folder of a cgroup and of all above it, within the mount. */
function cgroupFolders(mount: Mount | undefined, cgroup: string | undefined): string[] {
  if (mount === undefined || cgroup === undefined || cgroup === "") {
    return [];
  }
  const relative = path.relative(mount.root, cgroup);
  // A cgroup outside the mounted part (seen from another cgroup namespace) cannot be walked to; its mount can be read.
  const steps = relative.startsWith("..") ? [] : relative.split("/").filter((step) => step !== "");
  return Array.from({ length: steps.length + 1 }, (_, index) =>
    path.join(mount.mountPoint, ...steps.slice(0, steps.length - index)),
  );
}

function parseV2([text]: readonly (string | undefined)[]): number | undefined {
  const [quota, period] = (text ?? "").trim().split(/\s+/);
  return quotient(quota, period);
}

function parseV1([quota, period]: readonly (string | undefined)[]): number | undefined {
  return quotient(quota?.trim(), period?.trim());
}

/** No limit is `max` in v2, and in v1 a number near 2^63. */
function parseBytes([text]: readonly (string | undefined)[]): number | undefined {
  const bytes = Number((text ?? "").trim() || Number.NaN);
  return Number.isFinite(bytes) && bytes < 2 ** 60 ? bytes : undefined;
}

/** `max` (v2) and -1 (v1) mean no limit. */
function quotient(quota: string | undefined, period: string | undefined): number | undefined {
  const limit = Number(quota) / Number(period);
  return Number.isFinite(limit) && limit > 0 ? limit : undefined;
}

function readFileIfPresent(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    // Hierarchies without a cpu controller have no such file, and other systems than Linux have no /proc.
    return undefined;
  }
}
