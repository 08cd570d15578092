// Where control groups are mounted and which files set a container's limits: cgroup v1, v2, or both side by side.

import type { ResourceRequirements } from "kubernetes-types/core/v1.js";
import { parseQuantity } from "./quantity.ts";

export type ControllerName = "cpu" | "memory";

/** One mounted hierarchy and those of its controllers that are used here. */
export interface Controllers {
  readonly version: 1 | 2;
  readonly folder: string;
  readonly names: readonly ControllerName[];
}

/** @param mountInfo content of /proc/self/mountinfo; a controller that is mounted as v1 is used as v1 (the kernel offers each once). */
export function findControllers(mountInfo: string): Controllers[] {
  const mounts = mountInfo.split("\n").flatMap((line) => {
    const [left = "", right = ""] = line.split(" - ");
    const [type = "", , options = ""] = right.split(" ");
    return [{ folder: left.split(" ")[4] ?? "", type, options: options.split(",") }];
  });
  const all: readonly ControllerName[] = ["cpu", "memory"];
  const versionOne = mounts
    .filter(({ type }) => type === "cgroup")
    .map(({ folder, options }) => ({
      version: 1 as const,
      folder,
      names: all.filter((name) => options.includes(name)),
    }))
    .filter(({ names }) => names.length > 0);
  const taken = versionOne.flatMap(({ names }) => names);
  const rest = all.filter((name) => !taken.includes(name));
  const unified = mounts.find(({ type }) => type === "cgroup2");
  if (unified === undefined || rest.length === 0) return versionOne;
  return [...versionOne, { version: 2 as const, folder: unified.folder, names: rest }];
}

/** The period of the CPU quota, as a kubelet sets it: 20 ms of each 100 ms for a limit of 200m. */
const cpuPeriodMicroseconds = 100_000;
const minCpuQuotaMicroseconds = 1000;
const maxShares = 262_144;
const maxWeight = 10_000;

/** File names with their content, in the order in which they must be written. */
export function limitFiles(
  version: 1 | 2,
  names: readonly ControllerName[],
  resources: ResourceRequirements,
): [string, string][] {
  const { limits = {}, requests = {} } = resources;
  const files: [string, string][] = [];
  if (names.includes("cpu") && requests["cpu"] !== undefined) {
    const shares = Math.min(maxShares, Math.max(2, Math.floor(parseQuantity(requests["cpu"]) * 1024)));
    files.push(version === 1 ? ["cpu.shares", `${shares}`] : ["cpu.weight", `${sharesToWeight(shares)}`]);
  }
  if (names.includes("cpu") && limits["cpu"] !== undefined) {
    const quota = Math.max(minCpuQuotaMicroseconds, Math.round(parseQuantity(limits["cpu"]) * cpuPeriodMicroseconds));
    if (version === 1) files.push(["cpu.cfs_period_us", `${cpuPeriodMicroseconds}`], ["cpu.cfs_quota_us", `${quota}`]);
    else files.push(["cpu.max", `${quota} ${cpuPeriodMicroseconds}`]);
  }
  if (names.includes("memory") && limits["memory"] !== undefined) {
    const bytes = Math.floor(parseQuantity(limits["memory"]));
    files.push([version === 1 ? "memory.limit_in_bytes" : "memory.max", `${bytes}`]);
  }
  return files;
}

const defaultShares = 1024;
const defaultWeight = 100;

/**
 * Files of the group that holds all pods: the default for each CPU of the machine, as a kubelet gives it,
 * so that other groups of a busy machine do not starve all pods together.
 */
export function parentFiles(version: 1 | 2, names: readonly ControllerName[], cpus: number): [string, string][] {
  if (!names.includes("cpu")) return [];
  if (version === 1) return [["cpu.shares", `${Math.min(maxShares, cpus * defaultShares)}`]];
  return [["cpu.weight", `${Math.min(maxWeight, cpus * defaultWeight)}`]];
}

/** Shares go from 2 to 262144, weights from 1 to 10000: the linear mapping that kubelets used until 1.35. */
function sharesToWeight(shares: number): number {
  return 1 + Math.floor(((shares - 2) * 9999) / 262_142);
}
