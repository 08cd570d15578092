// The machine that this process runs on, within the limits of its container.

import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";

import type { Machine } from "./machine.ts";
import { readCpuLimit, readMemoryLimit, readThrottledPeriods, usableThreads } from "./models/cgroup-limits.ts";

export function thisMachine(): Machine {
  const cpus = Math.min(readCpuLimit() ?? Number.POSITIVE_INFINITY, availableParallelism());
  return {
    cpus,
    usableThreads: usableThreads(cpus, availableParallelism()),
    memoryLimitBytes: readMemoryLimit(),
    memoryBytes: () => process.memoryUsage.rss(),
    cpuSeconds: () => toSeconds(process.cpuUsage()),
    threadCpuSeconds,
    throttledPeriods: readThrottledPeriods,
    fileExists: existsSync,
  };
}

/** Of the calling thread, since its start. */
export function threadCpuSeconds(): number {
  return toSeconds(process.threadCpuUsage());
}

function toSeconds({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1e6;
}
