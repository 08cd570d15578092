// The I/O's part of the calibration: what a request costs an I/O thread, with real requests over loopback connections.

import { once } from "node:events";
import { Worker } from "node:worker_threads";

import type { Log } from "../log.ts";
import { Metrics, type Protocol } from "../metrics.ts";
import { type BatcherSettings, makeBatcher } from "../models/make-batcher.ts";
import type { IoProbe } from "../models/model.ts";
import { ReadyModel } from "../models/ready-model.ts";
import { StatisticsRecorder } from "../models/statistics.ts";
import type { ProtocolContext } from "../protocols/context.ts";
import type { HttpHandler } from "../protocols/http/listener.ts";
import { HttpListener } from "../protocols/http/listener.ts";
import { GrpcListener } from "../protocols/open-inference-grpc/listener.ts";
import { CannedRunner } from "./canned-runner.ts";
import type { ProbeClientSettings, ProbeCommand, ProbeReport } from "./probe-messages.ts";
import { makeProbeRequests } from "./probe-requests.ts";

export interface MeasureIoOptions extends Omit<BatcherSettings, "observer" | "statistics" | keyof typeof NO_LIMITS> {
  /** That of clients, but for the model and where it counts. */
  readonly context: ProtocolContext;
  readonly maxBodyBytes: number;
  /** The protocols over HTTP, the same as for clients. */
  readonly handle: (context: ProtocolContext) => HttpHandler;
  /** Seconds of CPU that this process has used. */
  readonly cpuSeconds: () => number;
  readonly random: () => number;
  readonly log: Log;
}

/** Those of users could refuse the calibration's requests. */
const NO_LIMITS = {
  maxQueueLength: Number.POSITIVE_INFINITY,
  maxQueueBytes: Number.POSITIVE_INFINITY,
  maxExpectedWaitMs: Number.POSITIVE_INFINITY,
};

const LOOPBACK = "127.0.0.1";
const HTTP_CLIENT = new URL("./http-probe-client.ts", import.meta.url);
const GRPC_CLIENT = new URL("./grpc-probe-client.ts", import.meta.url);
const CONNECTIONS = 16;
/** All connections together have no more of the request under way. */
const MAX_BYTES_UNDER_WAY = 16 * 1024 ** 2;
const SLICE_MS = 100;
/** Two stretches in a row that differ by less: the code is warm, and the figure stands. */
const SETTLED = 0.05;

/** CPU seconds of one request by protocol; protocols that could not be measured are missing. */
export async function measureIo(probe: IoProbe, options: MeasureIoOptions): Promise<Readonly<Record<string, number>>> {
  const model = await makeProbeModel(probe, options);
  const metrics = new Metrics({ queueDepth: () => 0, requestsInFlight: () => 0 });
  const { clock, wallClock, random, log, maxBodyBytes } = options;
  const context = { ...options.context, model, metrics, isStopping: () => false };
  const http = new HttpListener({
    handle: options.handle(context),
    maxBodyBytes,
    maxConnections: () => Number.POSITIVE_INFINITY,
    clock,
    random,
    log,
  });
  const grpc = new GrpcListener({
    context,
    maxMessageBytes: maxBodyBytes,
    maxConnections: () => Number.POSITIVE_INFINITY,
    wallClock,
    random,
  });
  try {
    const ports = { http: await http.listen(0, LOOPBACK), grpc: await grpc.listen(0, LOOPBACK) };
    return await measureProtocols(ports, probe, options);
  } finally {
    await Promise.all([http.close(0), grpc.close(0)]);
  }
}

/** Takes the same way through the batcher as the real one, with a queue of its own. */
async function makeProbeModel({ loaded, request }: IoProbe, options: MeasureIoOptions): Promise<ReadyModel> {
  const { metadata, plan } = loaded;
  const statistics = new StatisticsRecorder();
  const runner = plan.inline
    ? loaded.runner
    : new CannedRunner((await loaded.runner.run(copyOf(request))).outputs, plan.batchable);
  const observer = new Metrics({ queueDepth: () => 0, requestsInFlight: () => 0 });
  const settings = { ...options, ...NO_LIMITS, observer, statistics };
  const batcher = makeBatcher(runner, { ...plan, batchDelayMs: 0 }, settings);
  return new ReadyModel({ metadata, plan, batcher, statistics, versionLabels: [], readiness: () => ({ ready: true }) });
}

/** The run takes the memory of its inputs away. */
function copyOf(request: IoProbe["request"]) {
  return { ...request, inputs: request.inputs.map((tensor) => ({ ...tensor, data: tensor.data.slice() })) };
}

interface Ports {
  readonly http: number;
  readonly grpc: number;
}

async function measureProtocols(
  ports: Ports,
  { loaded, request, budgetMs }: IoProbe,
  options: MeasureIoOptions,
): Promise<Readonly<Record<string, number>>> {
  const requests = Object.entries(makeProbeRequests(loaded.metadata.name, request)) as [Protocol, Buffer][];
  const costs: [Protocol, number][] = [];
  for (const [protocol, bytes] of requests) {
    const cost = await measureProtocol(ports, { protocol, bytes, budgetMs: budgetMs / requests.length }, options);
    if (cost === undefined) {
      const message = "the calibration's requests failed: no load line for this protocol until there is traffic";
      options.log.warn({ protocol }, message);
    } else {
      costs.push([protocol, cost]);
    }
  }
  return Object.fromEntries(costs);
}

/** Undefined where the requests fail. */
async function measureProtocol(
  ports: Ports,
  { protocol, bytes, budgetMs }: { protocol: Protocol; bytes: Buffer; budgetMs: number },
  { cpuSeconds, clock, maxBodyBytes }: MeasureIoOptions,
): Promise<number | undefined> {
  // The server refuses more bodies at a time than one of the largest size and some more.
  const underWay = Math.min(MAX_BYTES_UNDER_WAY, maxBodyBytes);
  const connections = Math.max(1, Math.min(CONNECTIONS, Math.floor(underWay / bytes.length)));
  const isGrpc = protocol === "v2-grpc";
  const client = await startClient(isGrpc ? GRPC_CLIENT : HTTP_CLIENT, {
    port: isGrpc ? ports.grpc : ports.http,
    connections,
  });
  const deadlineMs = clock() + budgetMs;
  const measure = async () => {
    const before = cpuSeconds();
    const report = await client.slice({ bytes, milliseconds: SLICE_MS });
    return report.failed > 0 ? undefined : (cpuSeconds() - before - report.cpuSeconds) / report.answered;
  };
  try {
    return await settle(measure, () => clock() < deadlineMs);
  } finally {
    await client.end();
  }
}

/** Measures until two figures in a row agree, one fails or the time is over; the last figure counts. */
async function settle(measure: () => Promise<number | undefined>, mayGoOn: () => boolean): Promise<number | undefined> {
  let last = await measure();
  while (last !== undefined && mayGoOn()) {
    const next = await measure();
    if (next === undefined || Math.abs(next - last) <= SETTLED * last) {
      return next ?? last;
    }
    last = next;
  }
  return last;
}

async function startClient(script: URL, settings: ProbeClientSettings) {
  const worker = new Worker(script, { workerData: settings, name: "calibration" });
  await once(worker, "message");
  return {
    slice: async (command: ProbeCommand): Promise<ProbeReport> => {
      const answer = once(worker, "message");
      worker.postMessage(command);
      const [report] = (await answer) as [ProbeReport];
      return report;
    },
    end: async () => {
      const ended = once(worker, "exit");
      worker.postMessage("end");
      await ended;
    },
  };
}
