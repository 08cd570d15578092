// What a running process takes of memory and CPU, as the kernel tells.

import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { median } from "./statistics.ts";

/** The kernel counts CPU time in these on every machine that Linux runs on with its usual settings. */
const TICKS_PER_SECOND = 100;

/** Resident bytes. */
export function residentBytes(pid: number): Promise<number> {
  return readMemory(pid, "VmRSS");
}

/** The most bytes that were resident since its start. */
export function peakResidentBytes(pid: number): Promise<number> {
  return readMemory(pid, "VmHWM");
}

async function readMemory(pid: number, field: "VmRSS" | "VmHWM"): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const [, kilobytes] = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status) ?? [];
  if (kilobytes === undefined) {
    throw new Error(`the kernel does not say how much memory process ${pid} has (${field})`);
  }
  return Number(kilobytes) * 1024;
}

/** User and system time since its start, all threads together. */
export async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // The second field is the name in parentheses, which may hold anything; user time is field 14, system time 15.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Resident bytes every 100 ms while something happens, at least once. */
export async function sampleMemory<T>(pid: number, work: Promise<T>): Promise<{ result: T; samples: number[] }> {
  const samples: number[] = [];
  // Whoever awaits `work` sees its error; this only ends the sampling.
  const over = work.then(
    () => "over",
    () => "over",
  );
  do {
    samples.push(await residentBytes(pid));
  } while ((await Promise.race([sleep(100), over])) !== "over");
  return { result: await work, samples };
}

/** How much more the last third of the samples is than the first third, as a ratio of medians: 1 is flat. */
export function growth(samples: readonly number[]): number {
  const third = Math.max(1, Math.floor(samples.length / 3));
  return median(samples.slice(-third)) / median(samples.slice(0, third));
}
