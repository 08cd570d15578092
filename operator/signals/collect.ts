// Collects the signals of all services into one snapshot, with two requests to Prometheus whatever their number.

import type { MetricType } from "../api/inference-service.ts";
import { type ServiceSignals, type Signal, unknownSignal } from "../scaling/signal.ts";
import { type Query, QueryError, type Sample } from "./prometheus.ts";
import { type QuerySettings, rowLabel, serviceLabels, signalQueries } from "./queries.ts";

/** All services' signals of one moment. */
export interface Snapshot {
  readonly atMs: number;
  /** Total: a service that Prometheus does not know has signals too, unknown ones. */
  signalsOf(namespace: string, serviceName: string): ServiceSignals;
}

export interface CollectOptions {
  readonly query: Query;
  readonly settings: QuerySettings;
  readonly now: () => number;
}

/** Never throws: what cannot be had is unknown, with the reason. One signal's failure leaves the others alone. */
export async function collectSignals(options: CollectOptions, signal?: AbortSignal): Promise<Snapshot> {
  const atMs = options.now();
  const queries = signalQueries(options.settings);
  const [rate, queue] = await Promise.all([
    collectOne("RequestRate", queries.RequestRate, options.query, signal),
    collectOne("QueueDepth", queries.QueueDepth, options.query, signal),
  ]);
  return {
    atMs,
    signalsOf: (namespace, serviceName) => {
      const key = serviceKey(namespace, serviceName);
      return { RequestRate: rate(key), QueueDepth: queue(key) };
    },
  };
}

type Lookup = (key: string) => Signal;

async function collectOne(type: MetricType, promql: string, query: Query, signal?: AbortSignal): Promise<Lookup> {
  try {
    const services = groupByService(await query(promql, signal));
    return (key) => readSignal(type, services.get(key) ?? {});
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    const failed = unknownSignal(error.reason, error.message);
    return () => failed;
  }
}

interface Rows {
  value?: number;
  reporting?: number;
  duplicate?: boolean;
}

function groupByService(samples: readonly Sample[]): Map<string, Rows> {
  const services = new Map<string, Rows>();
  for (const { labels, value } of samples) {
    const [namespace, serviceName] = serviceLabels.map((label) => labels[label]);
    const row = labels[rowLabel];
    if (namespace === undefined || serviceName === undefined || (row !== "value" && row !== "reporting")) continue;
    const key = serviceKey(namespace, serviceName);
    const rows = services.get(key) ?? {};
    services.set(key, { ...rows, [row]: value, ...(rows[row] === undefined ? {} : { duplicate: true }) });
  }
  return services;
}

/** Unknown is never zero: whatever is not a finite, fresh, unambiguous number gets a reason instead of a value. */
function readSignal(type: MetricType, rows: Rows): Signal {
  const { value, reporting = 0, duplicate = false } = rows;
  if (duplicate) return unknownSignal("InvalidSamples", `${type} has more than one series`);
  if (value === undefined) {
    return reporting > 0
      ? unknownSignal("InvalidSamples", `${type} has no value although ${reporting} pods report`)
      : unknownSignal("NoSamples", `Prometheus has no recent samples of ${type}`);
  }
  if (!Number.isFinite(value) || value < 0) return unknownSignal("InvalidSamples", `${type} is no finite number`);
  if (reporting === 0) return unknownSignal("StaleSamples", `the newest samples of ${type} are too old`);
  if (!Number.isInteger(reporting))
    return unknownSignal("InvalidSamples", `the pods that report ${type} cannot be counted`);
  return { known: true, value, reportingPods: reporting };
}

function serviceKey(namespace: string, serviceName: string): string {
  return `${namespace}/${serviceName}`;
}
