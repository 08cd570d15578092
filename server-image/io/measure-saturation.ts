// What workers and I/O do together when requests never run out: the end of the calibration, and the measure of its parts.

import { Metrics, type Protocol } from "../metrics.ts";
import { makeBatcher } from "../models/make-batcher.ts";
import type { IoProbe } from "../models/model.ts";
import { ReadyModel } from "../models/ready-model.ts";
import { StatisticsRecorder } from "../models/statistics.ts";
import { HttpListener } from "../protocols/http/listener.ts";
import { type MeasureIoOptions, NO_LIMITS } from "./measure-io.ts";
import { HTTP_CLIENT, LOOPBACK, MAX_BYTES_UNDER_WAY, startProbeClient } from "./probe-client.ts";
import { makeProbeRequests } from "./probe-requests.ts";

/** As many as busy services have, since large batches need them; fewer where the model is so slow that they would wait for long. */
const MOST_CLIENTS = 128;
const LONGEST_WAIT_SECONDS = 0.3;
const READY = { ready: true } as const;
const WARM_UP_MS = 400;
const MEASURE_MS = 600;
/** Slow models give few answers in a short time, but nobody waits for long. */
const ENOUGH_RUNS = 12;
const LONGEST_MEASURE_MS = 1500;
/** The server has at least this much of the CPUs; less says that the figures are no good. */
const LEAST_SHARE = 0.2;

/** Undefined where requests fail. Only for models that run on workers: else the I/O's own figures are all there is. */
export async function measureSaturation(
  probe: IoProbe,
  protocol: Protocol,
  options: MeasureIoOptions & { readonly cpus: number },
): Promise<number | undefined> {
  const { loaded, request } = probe;
  const bytes = makeProbeRequests(loaded.metadata.name, request)[protocol];
  const [single] = loaded.calibration.runTimes;
  if (bytes === undefined || single === undefined) {
    return undefined;
  }
  const { clock, random, log, maxBodyBytes } = options;
  const listener = new HttpListener({
    handle: options.handle({ ...options.context, ...makeModel(probe, options) }),
    maxBodyBytes,
    maxConnections: () => Number.POSITIVE_INFINITY,
    clock,
    random,
    log,
  });
  const underWay = Math.min(MAX_BYTES_UNDER_WAY, maxBodyBytes) / bytes.length;
  const bearable = (LONGEST_WAIT_SECONDS * loaded.runner.parallelRuns) / single.seconds;
  const connections = Math.max(1, Math.floor(Math.min(MOST_CLIENTS, underWay, bearable)));
  const port = await listener.listen(0, LOOPBACK);
  const client = await startProbeClient(HTTP_CLIENT, { port, connections });
  try {
    const milliseconds = Math.min(LONGEST_MEASURE_MS, Math.max(MEASURE_MS, ENOUGH_RUNS * single.seconds * 1000));
    const { failed, steady } = await client.slice({ bytes, warmUpMs: WARM_UP_MS, milliseconds });
    if (failed > 0 || steady === undefined) {
      return undefined;
    }
    // What the client took would have been the server's.
    return steady.perSecond / Math.max(1 - steady.cpuShare / options.cpus, LEAST_SHARE);
  } finally {
    await Promise.all([client.end(), listener.close(0)]);
  }
}

/** The real workers, with a queue and counts of its own. */
function makeModel({ loaded }: IoProbe, options: MeasureIoOptions) {
  const { metadata, plan, runner, calibration, onIdle } = loaded;
  const statistics = new StatisticsRecorder();
  const metrics = new Metrics({ queueDepth: () => 0, requestsInFlight: () => 0 });
  const batcher = makeBatcher(runner, plan, { ...options, ...NO_LIMITS, observer: metrics, statistics });
  for (const { rows, seconds } of calibration.runTimes) {
    batcher.learnRunTime(rows, seconds);
  }
  onIdle(() => batcher.dispatch());
  const model = new ReadyModel({ metadata, plan, batcher, statistics, versionLabels: [], readiness: () => READY });
  return { model, metrics, isStopping: () => false };
}
