// How many CPUs this process may use: Node sees the machine's cores, not the quota of the container's cgroup.

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
  const memberships = parseMemberships(readFile("/proc/self/cgroup") ?? "");
  const mounts = readFile("/proc/self/mountinfo") ?? "";
  const limits = [
    ...cgroupFolders(findMount(mounts, "cgroup2"), memberships.get("")).map((folder) =>
      parseV2(readFile(path.join(folder, "cpu.max"))),
    ),
    ...cgroupFolders(findMount(mounts, "cgroup"), memberships.get("cpu")).map((folder) =>
      parseV1(readFile(path.join(folder, "cpu.cfs_quota_us")), readFile(path.join(folder, "cpu.cfs_period_us"))),
    ),
  ].filter((limit) => limit !== undefined);
  return limits.length > 0 ? Math.min(...limits) : undefined;
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

/** The mount of the v2 hierarchy, or of v1's cpu controller. */
function findMount(mountinfo: string, type: "cgroup" | "cgroup2"): Mount | undefined {
  for (const line of mountinfo.split("\n")) {
    // id parent device ROOT MOUNTPOINT options [optional...] - TYPE source SUPEROPTIONS
    const [before = "", after = ""] = line.split(" - ");
    const [, , , root, mountPoint] = before.split(" ");
    const [fileSystem, , superOptions = ""] = after.split(" ");
    const matches = fileSystem === type && (type === "cgroup2" || superOptions.split(",").includes("cpu"));
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

function parseV2(text: string | undefined): number | undefined {
  const [quota, period] = (text ?? "").trim().split(/\s+/);
  return quotient(quota, period);
}

function parseV1(quota: string | undefined, period: string | undefined): number | undefined {
  return quotient(quota?.trim(), period?.trim());
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
