// Figures of this very process, and the growth of made-up ones.

import { expect, test } from "vitest";
import { cpuSeconds, growth, peakResidentBytes, residentBytes, sampleMemory } from "./process-usage.ts";

test("memory and CPU time are what Node says of itself", async () => {
  const [bytes, seconds] = [await residentBytes(process.pid), await cpuSeconds(process.pid)];
  const { user, system } = process.cpuUsage();
  expect(bytes / process.memoryUsage.rss()).toBeCloseTo(1, 0);
  expect(Math.abs(seconds - (user + system) / 1e6)).toBeLessThan(0.5);
});

test("the peak is at least what is resident now, and at most what Node says of itself", async () => {
  const resident = await residentBytes(process.pid);
  const peak = await peakResidentBytes(process.pid);
  // The kernel sums up per thread, so two readings may differ by some megabytes.
  expect(peak / resident).toBeGreaterThan(0.9);
  // Node's figure outlives `exec`, so it may be that of the program that started this one.
  expect(peak / (process.resourceUsage().maxRSS * 1024)).toBeLessThan(1.1);
});

test("sampling ends with the work and gives its result", async () => {
  const { result, samples } = await sampleMemory(process.pid, Promise.resolve("done"));
  expect(result).toBe("done");
  expect(samples.length).toBeGreaterThan(0);
  await expect(sampleMemory(process.pid, Promise.reject(new Error("no answer")))).rejects.toThrow("no answer");
});

test.each([
  ["flat", [100, 100, 100, 100, 100, 100], 1],
  ["a single peak does not count", [100, 100, 100, 900, 100, 100, 900, 100, 100], 1],
  ["growth", [100, 100, 110, 120, 150, 150], 1.5],
  ["one sample", [100], 1],
])("growth: %s", (_name, samples, expected) => {
  expect(growth(samples)).toBeCloseTo(expected);
});
