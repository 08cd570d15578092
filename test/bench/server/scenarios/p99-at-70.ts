// The tail of latencies at 70 % of the load line, beside that of an ideal queue with the same arrivals, runs and batches.

import { seededRandom } from "../../../demo/arrivals.ts";
import type { Bench } from "../bench.ts";
import type { ExecutionPlan } from "../execution-plan.ts";
import { type IdealServer, type MeasuredRuns, runTimeSampler, simulateIdealQueue } from "../ideal-queue.ts";
import { arrivalTimes } from "../load/arrival-times.ts";
import type { ModelKind } from "../options.ts";
import type { PlimsollServer } from "../plimsoll-server.ts";
import type { RawProcess } from "../raw/raw-process.ts";
import { median, percentile } from "../statistics.ts";
import { prepareSubject, type Subject } from "../subject.ts";
import type { Scenario } from "./scenario.ts";

const LOAD = 0.7;
/** Answers later than that are not what a tail is about. */
const LIMIT_SECONDS = 5;

/** How long each model is loaded, in measurements: a slow one needs longer for as many requests beyond the 99th percentile. */
const LENGTHS: Partial<Record<ModelKind, number>> = { mlp: 3, resnet: 7 };

async function run(bench: Bench): Promise<void> {
  const ratios: number[] = [];
  for (const [kind, length = 1] of Object.entries(LENGTHS) as [ModelKind, number][]) {
    ratios.push(await measureModel(bench, kind, length * bench.options.seconds));
  }
  bench.record("p99_at_70_ratio", Math.max(...ratios));
}

/** The median over the repeats of measured p99 by ideal p99. */
async function measureModel(bench: Bench, kind: ModelKind, seconds: number): Promise<number> {
  const subject = await prepareSubject(bench, kind);
  const server = await bench.startServer(subject);
  const plan = await server.plan();
  const raw = await bench.startRaw(subject, plan);
  // First requests find code and connections cold.
  await bench.rest({ port: server.port, load: subject.binary, clients: 16, seconds: 1 });
  const ratePerSecond = LOAD * (await server.loadLine("v2-rest-binary"));
  const repeats: { ideal: number; measured: number }[] = [];
  for (let seed = 1; seed <= bench.options.repeats; seed += 1) {
    const arrivals = { ratePerSecond, seconds, seed };
    const runSeconds = runTimeSampler(await measureRuns(raw, plan, seconds / 20), seededRandom(seed));
    const ideal = idealP99(arrivals, { ...plan, runSeconds });
    const measured = await measureP99(bench, { server, subject, arrivals });
    bench.log(`${kind} at ${ratePerSecond.toFixed(1)}/s: p99 ${measured.toFixed(1)} ms, ideal ${ideal.toFixed(1)} ms`);
    repeats.push({ ideal, measured });
  }
  await Promise.all([server.stop(), raw.stop()]);
  bench.record(`p99_at_70_${kind}_ms`, median(repeats.map(({ measured }) => measured)));
  bench.record(`p99_at_70_${kind}_ideal_ms`, median(repeats.map(({ ideal }) => ideal)));
  const ratio = median(repeats.map(({ ideal, measured }) => measured / ideal));
  bench.record(`p99_at_70_${kind}_ratio`, ratio);
  return ratio;
}

function idealP99(arrivals: Parameters<typeof arrivalTimes>[0], server: IdealServer): number {
  return percentile(simulateIdealQueue(arrivalTimes(arrivals), server), 99) * 1000;
}

/** Run times of sizes that double up to the largest batch, with one and with more workers busy, for so long each. */
async function measureRuns(
  raw: RawProcess,
  { workers, maxBatch }: ExecutionPlan,
  seconds: number,
): Promise<MeasuredRuns[]> {
  const sizes = [maxBatch];
  for (let rows = 1; rows < maxBatch; rows *= 2) {
    sizes.push(rows);
  }
  const measured: MeasuredRuns[] = [];
  for (const requests of sizes) {
    for (let busyWorkers = 1; busyWorkers <= workers; busyWorkers += 1) {
      const { runSeconds } = await raw.run({ rows: requests, busyWorkers, seconds });
      measured.push({ requests, busyWorkers, seconds: runSeconds });
    }
  }
  return measured;
}

interface Measurement {
  readonly server: PlimsollServer;
  readonly subject: Subject;
  readonly arrivals: Parameters<typeof arrivalTimes>[0];
}

/** Rejects where a request was not answered: a tail without it would be a lie. */
async function measureP99(bench: Bench, { server, subject, arrivals }: Measurement): Promise<number> {
  const loop = { ...arrivals, port: server.port, load: subject.binary, limitSeconds: LIMIT_SECONDS };
  const { sent, answered, rejected, lossReasons, p99Ms, sendDelayP99Ms, cpuShare } = await bench.openLoop(loop);
  bench.log(`generator: ${(100 * cpuShare).toFixed(0)} % of a core, ${sendDelayP99Ms?.toFixed(1)} ms late at p99`);
  if (answered < sent || p99Ms === undefined) {
    const reasons = JSON.stringify(lossReasons);
    throw new Error(
      `at 70 % of the load line ${answered} of ${sent} were answered, ${rejected} rejected, lost: ${reasons}`,
    );
  }
  return p99Ms;
}

export const p99At70: Scenario = {
  name: "p99_at_70",
  title: "p99 at 70 % of the load line, Poisson arrivals, beside an ideal queue",
  run,
};
