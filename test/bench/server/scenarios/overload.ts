// What is left of a server's throughput when twice as much comes as it can take, and nobody waits.

import type { Bench } from "../bench.ts";
import { startBurner } from "../peers/burner.ts";
import type { PlimsollServer } from "../plimsoll-server.ts";
import { growth, sampleMemory } from "../process-usage.ts";
import { median } from "../statistics.ts";
import { prepareSubject, type Subject } from "../subject.ts";
import type { Scenario } from "./scenario.ts";

const CLIENTS = 64;
const OVERLOAD = 2;
/** An answer that comes later is worth nothing. */
const LIMIT_SECONDS = 1;
/** How long the overload lasts, in measurements. */
const LENGTH = 2;

/** One repeat. */
interface Round {
  /** Answers per second in a closed loop, with the cores to server and closed loop alone. */
  readonly peak: number;
  /** The same while something takes what the generator of the overload takes more than that of the closed loop. */
  readonly peakBesideGenerator: number;
  readonly goodput: number;
  readonly rejectP99Ms: number;
  readonly rejectFromSendP99Ms: number;
  readonly lostShare: number;
  readonly memoryGrowth: number;
}

async function run(bench: Bench): Promise<void> {
  const subject = await prepareSubject(bench, "mlp");
  const server = await bench.startServer(subject);
  // First requests find code and connections cold, and the first overload makes room for a full queue.
  const warm = await bench.rest({ port: server.port, load: subject.binary, clients: CLIENTS, seconds: 1 });
  await overload(bench, { server, subject }, { ratePerSecond: OVERLOAD * warm.perSecond, seconds: 2, seed: 99 });
  const rounds: Round[] = [];
  for (let seed = 1; seed <= bench.options.repeats; seed += 1) {
    rounds.push(await measureRound(bench, { server, subject }, seed));
  }
  const middle = (pick: (round: Round) => number) => median(rounds.map(pick));
  bench.record(
    "overload_goodput_ratio",
    middle(({ goodput, peakBesideGenerator }) => goodput / peakBesideGenerator),
  );
  bench.record(
    "reject_p99_ms",
    middle(({ rejectP99Ms }) => rejectP99Ms),
  );
  bench.record(
    "overload_rss_growth_ratio",
    middle(({ memoryGrowth }) => memoryGrowth),
  );
  bench.record(
    "reject_from_send_p99_ms",
    middle(({ rejectFromSendP99Ms }) => rejectFromSendP99Ms),
  );
  bench.record(
    "overload_goodput_per_second",
    middle(({ goodput }) => goodput),
  );
  bench.record(
    "overload_goodput_plain_ratio",
    middle(({ goodput, peak }) => goodput / peak),
  );
  bench.record(
    "overload_lost_share",
    middle(({ lostShare }) => lostShare),
  );
}

interface Target {
  readonly server: PlimsollServer;
  readonly subject: Subject;
}

async function measureRound(bench: Bench, target: Target, seed: number): Promise<Round> {
  const closedLoop = { port: target.server.port, load: target.subject.binary, clients: CLIENTS };
  const { seconds } = bench.options;
  const alone = await bench.rest(closedLoop);
  const plan = { ratePerSecond: OVERLOAD * alone.perSecond, seconds: LENGTH * seconds, seed };
  const { result, samples } = await overload(bench, target, plan);
  const burner = await startBurner(bench.group, {
    share: Math.max(0, result.cpuShare - alone.cpuSeconds / seconds),
    cores: bench.cores,
  });
  const beside = await bench.rest(closedLoop);
  await burner.stop();
  const { answeredInTime, sent, rejected, lost, rejectP99Ms, rejectFromSendP99Ms } = result;
  const goodput = answeredInTime / result.seconds;
  bench.log(
    `peak ${alone.perSecond.toFixed(0)}/s, beside the generator's share ${beside.perSecond.toFixed(0)}/s; ` +
      `offered ${(sent / result.seconds).toFixed(0)}/s: ${goodput.toFixed(0)}/s in time, ` +
      `${(rejected / result.seconds).toFixed(0)}/s rejected, ${lost} lost ${JSON.stringify(result.lossReasons)}; ` +
      `generator ${(100 * result.cpuShare).toFixed(0)} % of a core, ${result.sendDelayP99Ms?.toFixed(1)} ms late at p99`,
  );
  if (rejectP99Ms === undefined || rejectFromSendP99Ms === undefined) {
    throw new Error(`nothing was rejected at ${OVERLOAD} times the peak`);
  }
  return {
    peak: alone.perSecond,
    peakBesideGenerator: beside.perSecond,
    goodput,
    rejectP99Ms,
    rejectFromSendP99Ms,
    lostShare: lost / sent,
    memoryGrowth: growth(samples),
  };
}

function overload(
  bench: Bench,
  { server, subject }: Target,
  plan: { ratePerSecond: number; seconds: number; seed: number },
) {
  const loop = { ...plan, port: server.port, load: subject.binary, limitSeconds: LIMIT_SECONDS };
  return sampleMemory(server.pid, bench.openLoop(loop));
}

export const overloadScenario: Scenario = {
  name: "overload",
  title: `MLP at ${OVERLOAD} times its saturation, open loop`,
  run,
};
