// The I/O's part of the calibration: what a request costs an I/O thread, with real requests over loopback connections.

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
import {
  GRPC_CLIENT,
  HTTP_CLIENT,
  LOOPBACK,
  MAX_BYTES_UNDER_WAY,
  type ProbeClient,
  startProbeClient,
} from "./probe-client.ts";
import { makeProbeRequests } from "./probe-requests.ts";

export interface MeasureIoOptions extends Omit<BatcherSettings, "observer" | "statistics" | keyof typeof NO_LIMITS> {
  /** That of clients, but for the model and where it counts. */
  readonly context: ProtocolContext;
  readonly maxBodyBytes: number;
  /** The protocols over HTTP, the same as for clients. */
  readonly handle: (context: ProtocolContext) => HttpHandler;
  /** Seconds of CPU that this thread has used. */
  readonly threadCpuSeconds: () => number;
  /** The same of all threads of the process. */
  readonly cpuSeconds: () => number;
  readonly random: () => number;
  readonly log: Log;
}

/** Those of users could refuse the calibration's requests. */
export const NO_LIMITS = {
  maxQueueLength: Number.POSITIVE_INFINITY,
  maxQueueBytes: Number.POSITIVE_INFINITY,
  maxExpectedWaitMs: Number.POSITIVE_INFINITY,
};

/**
 * Of the CPU that threads in the background take meanwhile: they tidy up for the client as well, and they compile what is
 * compiled once and for all. Against saturation from outside this share came out right.
 */
const HELPERS_SHARE = 0.45;

const CONNECTIONS = 32;
const SLICE_MS = 60;
/** A call takes several times as long, so the same code gets warm later. */
const GRPC_SLICE_MS = 150;
/** A share by which a cost must fall to be news. */
const SETTLED = 0.03;

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

/**
 * All protocols in turn, again and again: the code they share and their own gets warm, and of each the second least cost
 * counts: whatever else the machine does only adds to it, but the least may be luck. Ends when two rounds in a row bring
 * nothing new, or in time.
 */
async function measureProtocols(
  ports: Ports,
  { loaded, request, budgetMs }: IoProbe,
  options: MeasureIoOptions,
): Promise<Readonly<Record<string, number>>> {
  const requests = new Map(Object.entries(makeProbeRequests(loaded.metadata.name, request))) as Map<Protocol, Buffer>;
  const clients = await startClients(ports, requests, options);
  const costs = new Map<Protocol, LeastTwo>();
  const deadlineMs = options.clock() + budgetMs;
  try {
    let roundsWithoutNews = 0;
    do {
      const news = await measureRound(requests, { clients, costs, ...options });
      roundsWithoutNews = news ? 0 : roundsWithoutNews + 1;
    } while (options.clock() < deadlineMs && roundsWithoutNews < 2 && requests.size > 0);
  } finally {
    await Promise.all([clients.http.end(), clients.grpc.end()]);
  }
  return Object.fromEntries([...costs].map(([protocol, [, second]]) => [protocol, second]));
}

type LeastTwo = readonly [least: number, second: number];

interface Clients {
  readonly http: ProbeClient;
  readonly grpc: ProbeClient;
}

/** Whether a protocol costs clearly less than was known. Protocols whose requests fail are taken out of the requests. */
async function measureRound(
  requests: Map<Protocol, Buffer>,
  { clients, costs, ...options }: { clients: Clients; costs: Map<Protocol, LeastTwo> } & MeasureIoOptions,
): Promise<boolean> {
  let news = false;
  for (const [protocol, bytes] of requests) {
    const [threadBefore, before] = [options.threadCpuSeconds(), options.cpuSeconds()];
    const [client, milliseconds] =
      protocol === "v2-grpc" ? [clients.grpc, GRPC_SLICE_MS] : ([clients.http, SLICE_MS] as const);
    const { answered, failed, cpuSeconds: clientSeconds } = await client.slice({ bytes, warmUpMs: 0, milliseconds });
    if (failed > 0) {
      requests.delete(protocol);
      const message = "the calibration's requests failed: no load line for this protocol until there is traffic";
      options.log.warn({ protocol }, message);
    } else {
      const threadSeconds = options.threadCpuSeconds() - threadBefore;
      const helperSeconds = Math.max(0, options.cpuSeconds() - before - threadSeconds - clientSeconds);
      const cost = (threadSeconds + helperSeconds * HELPERS_SHARE) / answered;
      const [least, second] = costs.get(protocol) ?? [cost, Number.POSITIVE_INFINITY];
      const settled = Math.min(Math.max(cost, least), second);
      news ||= settled < second * (1 - SETTLED);
      costs.set(protocol, [Math.min(cost, least), settled]);
    }
  }
  return news;
}

async function startClients(
  ports: Ports,
  requests: ReadonlyMap<Protocol, Buffer>,
  { maxBodyBytes }: MeasureIoOptions,
): Promise<Clients> {
  const largest = Math.max(1, ...[...requests.values()].map(({ length }) => length));
  // The server refuses more bodies at a time than one of the largest size and some more.
  const underWay = Math.min(MAX_BYTES_UNDER_WAY, maxBodyBytes);
  const connections = Math.max(1, Math.min(CONNECTIONS, Math.floor(underWay / largest)));
  const [http, grpc] = await Promise.all([
    startProbeClient(HTTP_CLIENT, { port: ports.http, connections }),
    startProbeClient(GRPC_CLIENT, { port: ports.grpc, connections }),
  ]);
  return { http, grpc };
}
