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
import { LOOPBACK, MAX_BYTES_UNDER_WAY, type ProbeClient, type ProbeConnections } from "./probe-client.ts";
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
  /** CPUs that the process may use, fractions included. */
  readonly cpus: number;
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
/** Calls leave most of their garbage in the server. */
const GRPC_HELPERS_SHARE = 0.9;

/** On a whole CPU; on a part of one fewer, since the stretch ends with the answers to all of them. */
const CONNECTIONS = 32;
const SLICE_MS = 60;
/** A call takes several times as long, so the same code gets warm later. */
const GRPC_SLICE_MS = 150;
/** A share by which a cost must fall to be news. */
const SETTLED = 0.03;

/**
 * CPU seconds of one request by protocol; protocols that could not be measured are missing. All are measured once,
 * whatever the time is.
 */
export async function measureIo(
  probe: IoProbe,
  client: ProbeClient,
  options: MeasureIoOptions,
): Promise<Readonly<Record<string, number>>> {
  const model = makeProbeModel(probe, options);
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
    const requests = new Map(Object.entries(makeProbeRequests(model.name, probe.request))) as Map<Protocol, Buffer>;
    const connections = connectionsFor([...requests.values()], options);
    const clients: Clients = {
      http: await client.open({ kind: "http", port: ports.http, connections }),
      grpc: await client.open({ kind: "grpc", port: ports.grpc, connections }),
    };
    return await measureProtocols(requests, clients, { ...options, deadlineMs: probe.deadlineMs });
  } finally {
    await Promise.all([http.close(0), grpc.close(0)]);
  }
}

/** Takes the same way through the batcher as the real one, with a queue of its own. */
function makeProbeModel({ loaded }: IoProbe, options: MeasureIoOptions): ReadyModel {
  const { metadata, plan, sampleOutputs } = loaded;
  const statistics = new StatisticsRecorder();
  const runner = plan.inline ? loaded.runner : new CannedRunner(sampleOutputs, plan.batchable);
  const observer = new Metrics({ queueDepth: () => 0, requestsInFlight: () => 0 });
  const settings = { ...options, ...NO_LIMITS, observer, statistics };
  const batcher = makeBatcher(runner, { ...plan, batchDelayMs: 0 }, settings);
  return new ReadyModel({ metadata, plan, batcher, statistics, versionLabels: [], readiness: () => ({ ready: true }) });
}

function connectionsFor(requests: readonly Buffer[], { maxBodyBytes, cpus }: MeasureIoOptions): number {
  const largest = Math.max(1, ...requests.map(({ length }) => length));
  // The server refuses more bodies at a time than one of the largest size and some more.
  const underWay = Math.min(MAX_BYTES_UNDER_WAY, maxBodyBytes);
  return Math.max(1, Math.floor(Math.min(CONNECTIONS, CONNECTIONS * cpus, underWay / largest)));
}

interface Clients {
  readonly http: ProbeConnections;
  readonly grpc: ProbeConnections;
}

type RoundOptions = MeasureIoOptions & Pick<IoProbe, "deadlineMs">;

/**
 * All protocols in turn, again and again: the code they share and their own gets warm, and of each the second least cost
 * counts: whatever else the machine does only adds to it, but the least may be luck. Ends when two rounds in a row bring
 * nothing new, or in time.
 */
async function measureProtocols(
  requests: Map<Protocol, Buffer>,
  clients: Clients,
  options: RoundOptions,
): Promise<Readonly<Record<string, number>>> {
  const costs = new Map<Protocol, LeastTwo>();
  let roundsWithoutNews = 0;
  do {
    const news = await measureRound(requests, { clients, costs, ...options });
    roundsWithoutNews = news ? 0 : roundsWithoutNews + 1;
  } while (options.clock() < options.deadlineMs && roundsWithoutNews < 2 && requests.size > 0);
  return Object.fromEntries([...costs].map(([protocol, [, second]]) => [protocol, second]));
}

type LeastTwo = readonly [least: number, second: number];

/** Whether a protocol costs clearly less than was known. Protocols whose requests fail are taken out of the requests. */
async function measureRound(
  requests: Map<Protocol, Buffer>,
  { clients, costs, ...options }: { clients: Clients; costs: Map<Protocol, LeastTwo> } & RoundOptions,
): Promise<boolean> {
  let news = false;
  for (const [protocol, bytes] of requests) {
    if (costs.has(protocol) && options.clock() >= options.deadlineMs) {
      break;
    }
    const [threadBefore, before] = [options.threadCpuSeconds(), options.cpuSeconds()];
    const isGrpc = protocol === "v2-grpc";
    const client = isGrpc ? clients.grpc : clients.http;
    const milliseconds = isGrpc ? GRPC_SLICE_MS : SLICE_MS;
    const { answered, failed, cpuSeconds: clientSeconds } = await client.slice({ bytes, warmUpMs: 0, milliseconds });
    if (failed > 0) {
      requests.delete(protocol);
      const message = "the calibration's requests failed: no load line for this protocol until there is traffic";
      options.log.warn({ protocol }, message);
    } else {
      const threadSeconds = options.threadCpuSeconds() - threadBefore;
      const helperSeconds = Math.max(0, options.cpuSeconds() - before - threadSeconds - clientSeconds);
      const cost = (threadSeconds + helperSeconds * (isGrpc ? GRPC_HELPERS_SHARE : HELPERS_SHARE)) / answered;
      const [least, second] = costs.get(protocol) ?? [cost, Number.POSITIVE_INFINITY];
      const settled = Math.min(Math.max(cost, least), second);
      news ||= settled < second * (1 - SETTLED);
      costs.set(protocol, [Math.min(cost, least), settled]);
    }
  }
  return news;
}
