// One more thread that reads requests and writes answers, on the same port as the others.

import { parentPort, workerData } from "node:worker_threads";

import { patienceMs } from "../grace-period.ts";
import { createLog } from "../log.ts";
import { Metrics } from "../metrics.ts";
import { openInline } from "../models/load-model.ts";
import { makeBatcher } from "../models/make-batcher.ts";
import { ReadyModel } from "../models/ready-model.ts";
import type { Readiness, ServedModel } from "../models/served-model.ts";
import { StatisticsRecorder } from "../models/statistics.ts";
import packageJson from "../package.json" with { type: "json" };
import { answerHttp } from "../protocols/answer-http.ts";
import type { ProtocolContext } from "../protocols/context.ts";
import { allowOrigins } from "../protocols/http/cross-origin.ts";
import { HttpListener } from "../protocols/http/listener.ts";
import { GrpcListener } from "../protocols/open-inference-grpc/listener.ts";
import { RemoteModel } from "./remote-model.ts";
import { ThreadBoard } from "./thread-board.ts";
import type { IoThreadSettings, MainCalls, ThreadCalls } from "./thread-calls.ts";
import { type Port, ThreadLink } from "./thread-link.ts";
import { watchThread } from "./thread-watch.ts";

const settings = workerData as IoThreadSettings;
const { config, metadata, plan, thread } = settings;

const statistics = new StatisticsRecorder();
const batcher = plan.inline ? await openBatcher() : undefined;
const metrics: Metrics = new Metrics({
  queueDepth: () => batcher?.queueDepth ?? 0,
  requestsInFlight: () => batcher?.inFlight ?? 0,
});
const board = new ThreadBoard(settings.threads, settings.board);
let readiness: Readiness = { ready: true };
let stopping = false;

const link = new ThreadLink<MainCalls, ThreadCalls>(parentPort as Port, {
  collect: async () => ({
    series: await metrics.snapshot(),
    statistics: statistics.snapshot(),
    queueDepth: batcher?.queueDepth ?? 0,
  }),
  drain: async () => {
    stopping = true;
    listener.startDraining();
    grpcListener.startDraining();
    return undefined;
  },
  close: async () => {
    await Promise.all([listener.close(patienceMs(config)), grpcListener.close(patienceMs(config))]);
    unwatch();
    // Nothing else keeps the thread once this answer is on its way.
    setImmediate(() => parentPort?.close());
    return undefined;
  },
  readiness: async (told) => {
    readiness = told;
    return undefined;
  },
});

const model = makeModel();
const context: ProtocolContext = {
  model,
  metrics,
  isStopping: () => stopping,
  renderMetrics: () => link.ask("renderMetrics", undefined),
  calibration: () => link.ask("calibration", undefined),
  serverVersion: packageJson.version,
  clock: now,
  log: createLog(config.logLevel),
};
const listener = new HttpListener({
  handle: allowOrigins(config.corsAllowOrigin, answerHttp(context)),
  maxBodyBytes: config.maxBodyBytes,
  maxConnections: () => Math.ceil(config.maxConnections / settings.threads),
  clock: now,
  random: Math.random,
  log: createLog(config.logLevel),
  sharing: {
    setConnections: (count) => board.setConnections(thread, count),
    isAhead: () => board.isAhead(thread),
  },
});
const grpcListener = new GrpcListener({
  context,
  maxMessageBytes: config.maxBodyBytes,
  maxConnections: () => Math.ceil(config.maxConnections / settings.threads),
  wallClock: Date.now,
  random: Math.random,
  reusePort: true,
});
const unwatch = watchThread(board, thread, metrics, Date.now);
await listener.listen(settings.port);
await grpcListener.listen(settings.grpcPort);
await link.ask("listening", undefined);

function now(): number {
  return performance.now();
}

async function openBatcher() {
  const runner = await openInline(settings.modelPath, plan.executionProvider);
  return makeBatcher(runner, plan, {
    ...config,
    statistics,
    observer: {
      observeQueue: (seconds) => metrics.observeQueue(seconds),
      observeRun: (run) => metrics.observeRun(run),
    },
    clock: now,
    wallClock: Date.now,
  });
}

function makeModel(): ServedModel {
  const common = { metadata, plan, versionLabels: config.versionLabels, readiness: () => readiness };
  return batcher === undefined
    ? new RemoteModel({ ...common, link })
    : new ReadyModel({ ...common, batcher, statistics, allStatistics: () => link.ask("statistics", undefined) });
}
