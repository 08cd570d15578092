// How much memory a server holds under load beside its budget, and whether it grows with requests.

import type { Bench } from "../bench.ts";
import { memoryBudget } from "../memory-budget.ts";
import { type ModelKind, modelKinds } from "../options.ts";
import type { PlimsollServer } from "../plimsoll-server.ts";
import { sampleMemory } from "../process-usage.ts";
import { median } from "../statistics.ts";
import { prepareSubject, type Subject } from "../subject.ts";
import type { Scenario } from "./scenario.ts";

const MEGABYTE = 1024 ** 2;
const CLIENTS: Record<ModelKind, number> = { tiny: 16, mlp: 64, resnet: 16 };

/** After so many requests memory is looked at for the first time, and after so many more for the second. */
const FIRST_REQUESTS = 20_000;
const LATER_REQUESTS = 200_000;

async function run(bench: Bench): Promise<void> {
  const excesses: number[] = [];
  for (const kind of modelKinds) {
    const subject = await prepareSubject(bench, kind);
    const server = await bench.startServer(subject);
    excesses.push(await measureBudget(bench, subject, server));
    if (kind === "tiny") {
      bench.record("rss_growth_ratio", await measureGrowth(bench, subject, server));
    }
    await server.stop();
  }
  bench.record("rss_over_budget_mb", Math.max(...excesses));
}

/** Megabytes above the budget, under load; negative: below it. */
async function measureBudget(bench: Bench, subject: Subject, server: PlimsollServer): Promise<number> {
  const { workers, threads, maxBatch } = await server.plan();
  const rawSessionBytes = await measureRawSession(bench, subject, { threads, maxBatch });
  const budget = memoryBudget({ baseBytes: server.baseBytes, rawSessionBytes, workers });
  const loop = { port: server.port, load: subject.binary, clients: CLIENTS[subject.kind] };
  await bench.rest({ ...loop, seconds: 1 });
  const bytes = median((await sampleMemory(server.pid, bench.rest(loop))).samples);
  bench.record(`rss_${subject.kind}_mb`, bytes / MEGABYTE);
  bench.record(`rss_${subject.kind}_budget_mb`, budget / MEGABYTE);
  bench.log(
    `${subject.kind}: base ${(server.baseBytes / MEGABYTE).toFixed(0)} MB, ` +
      `raw session ${(rawSessionBytes / MEGABYTE).toFixed(0)} MB, workers ${workers}`,
  );
  return (bytes - budget) / MEGABYTE;
}

/** What a session adds to a process with onnxruntime in it, once it has run its largest batch. */
async function measureRawSession(
  bench: Bench,
  subject: Subject,
  { threads, maxBatch }: { threads: number; maxBatch: number },
): Promise<number> {
  const raw = await bench.startRaw(subject, { workers: 1, threads });
  const { residentBytes } = await raw.run({ rows: maxBatch, busyWorkers: 1, seconds: 0 });
  await raw.stop();
  return residentBytes - raw.ready.bytesBefore;
}

/** Memory after many requests by that after the first ones, under the same load: half JSON, half binary. */
async function measureGrowth(bench: Bench, subject: Subject, server: PlimsollServer): Promise<number> {
  const load = async () => {
    const both = [subject.json, subject.binary].map((each) =>
      bench.rest({ port: server.port, load: each, clients: CLIENTS.tiny / 2 }),
    );
    return (await Promise.all(both)).reduce((sum, { answered }) => sum + answered, 0);
  };
  const after = async (requests: number) => {
    for (let done = 0; done < requests; done += await load()) {
      // The load itself is the work.
    }
    return median((await sampleMemory(server.pid, load())).samples);
  };
  const first = await after(FIRST_REQUESTS);
  const later = await after(LATER_REQUESTS);
  bench.log(
    `tiny: ${(first / MEGABYTE).toFixed(1)} MB after the first requests, ${(later / MEGABYTE).toFixed(1)} MB later`,
  );
  return later / first;
}

export const memory: Scenario = {
  name: "memory",
  title: `resident memory beside its budget, and after ${LATER_REQUESTS} requests`,
  run,
};
