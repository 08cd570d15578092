// What workers and I/O do together when requests never run out: the end of the calibration, and the measure of its parts.

import { Metrics, type Protocol } from "../metrics.ts";
import { makeBatcher } from "../models/make-batcher.ts";
import type { IoProbe } from "../models/model.ts";
import { ReadyModel } from "../models/ready-model.ts";
import { StatisticsRecorder } from "../models/statistics.ts";
import { HttpListener } from "../protocols/http/listener.ts";
import { type MeasureIoOptions, NO_LIMITS } from "./measure-io.ts";
import { LOOPBACK, MAX_BYTES_UNDER_WAY, type ProbeClient } from "./probe-client.ts";
import { makeProbeRequests } from "./probe-requests.ts";
import type { Stretch } from "./stretch.ts";

const READY = { ready: true } as const;
/** The server has at least this much of the CPUs; less says that the figures are no good. */
const LEAST_SHARE = 0.2;

export interface SaturationProbe extends IoProbe {
  readonly protocol: Protocol;
  readonly stretch: Stretch;
}

/**
 * Requests per second; undefined where requests fail or too few are answered. Only for models that run on workers: else
 * the I/O's own figures are all there is.
 */
export async function measureSaturation(
  probe: SaturationProbe,
  client: ProbeClient,
  options: MeasureIoOptions,
): Promise<number | undefined> {
  const { loaded, request, protocol, stretch } = probe;
  const bytes = makeProbeRequests(loaded.metadata.name, request)[protocol];
  if (bytes === undefined) {
    return undefined;
  }
  const { clock, random, log, maxBodyBytes, cpus } = options;
  const listener = new HttpListener({
    handle: options.handle({ ...options.context, ...makeModel(probe, options) }),
    maxBodyBytes,
    maxConnections: () => Number.POSITIVE_INFINITY,
    clock,
    random,
    log,
  });
  const underWay = Math.max(1, Math.floor(Math.min(MAX_BYTES_UNDER_WAY, maxBodyBytes) / bytes.length));
  const port = await listener.listen(0, LOOPBACK);
  try {
    const target = { kind: "http", port, connections: Math.min(stretch.connections, underWay) } as const;
    const { warmUpMs, milliseconds } = stretch;
    const { failed, steady } = await (await client.open(target)).slice({ bytes, warmUpMs, milliseconds });
    if (failed > 0 || steady === undefined) {
      return undefined;
    }
    // What the client took would have been the server's.
    return steady.perSecond / Math.max(1 - steady.cpuShare / cpus, LEAST_SHARE);
  } finally {
    await listener.close(0);
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
