// Collects the signals of all services into one snapshot, with two requests to Prometheus whatever their number.

import type { MetricType } from "../api/inference-service-spec.ts";
import type { ReadyPods } from "../scaling/observation.ts";
import { type ServiceSignals, type Signal, unknownSignal } from "../scaling/signal.ts";
import { type Query, QueryError, type Sample } from "./prometheus.ts";
import { podLabel, type QuerySettings, rowLabel, serviceLabels, signalQueries } from "./queries.ts";

/** All services' signals of one moment. */
export interface Snapshot {
  readonly atMs: number;
  /** Total: a service that Prometheus does not know has signals too, unknown ones. */
  signalsOf(namespace: string, serviceName: string, pods: ReadyPods): ServiceSignals;
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
    signalsOf: (namespace, serviceName, pods) => {
      const key = serviceKey(namespace, serviceName);
      return { RequestRate: rate(key, pods), QueueDepth: queue(key, pods) };
    },
  };
}

type Lookup = (key: string, pods: ReadyPods) => Signal;

async function collectOne(type: MetricType, promql: string, query: Query, signal?: AbortSignal): Promise<Lookup> {
  try {
    const services = groupByService(await query(promql, signal));
    return (key, pods) => readSignal(type, services.get(key) ?? noRows, pods);
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    const failed = unknownSignal(error.reason, error.message);
    return () => failed;
  }
}

interface Rows {
  readonly values: readonly number[];
  /** Names of the pods with a fresh sample. */
  readonly reporting: ReadonlySet<string>;
}

const noRows: Rows = { values: [], reporting: new Set() };

function groupByService(samples: readonly Sample[]): Map<string, Rows> {
  const services = new Map<string, { values: number[]; reporting: Set<string> }>();
  for (const { labels, value } of samples) {
    const [namespace, serviceName] = serviceLabels.map((label) => labels[label]);
    if (namespace === undefined || serviceName === undefined) continue;
    const key = serviceKey(namespace, serviceName);
    const rows = services.get(key) ?? { values: [], reporting: new Set<string>() };
    services.set(key, rows);
    if (labels[rowLabel] === "value") rows.values.push(value);
    else if (labels[rowLabel] === "reporting") rows.reporting.add(labels[podLabel] ?? "");
  }
  return services;
}

/** Unknown is never zero: whatever is not a finite, fresh, unambiguous number gets a reason instead of a value. */
function readSignal(type: MetricType, { values, reporting }: Rows, pods: ReadyPods): Signal {
  const [value] = values;
  if (values.length > 1) return unknownSignal("InvalidSamples", `${type} has more than one series`);
  if (value === undefined) {
    return reporting.size > 0
      ? unknownSignal("InvalidSamples", `${type} has no value although ${reporting.size} pods report`)
      : unknownSignal("NoSamples", `Prometheus has no recent samples of ${type}`);
  }
  if (!Number.isFinite(value) || value < 0) return unknownSignal("InvalidSamples", `${type} is no finite number`);
  if (reporting.size === 0) return unknownSignal("StaleSamples", `the newest samples of ${type} are too old`);
  return { known: true, value, reportingPods: countReporting(reporting, pods) };
}

/** Only when every expected pod reports do recent ones count; see KnownSignal. */
function countReporting(reporting: ReadonlySet<string>, pods: ReadyPods): number {
  const counted = (names: readonly string[]) => names.filter((name) => reporting.has(name)).length;
  const expected = counted(pods.expected);
  return expected < pods.expected.length ? expected : expected + counted(pods.recent);
}

function serviceKey(namespace: string, serviceName: string): string {
  return `${namespace}/${serviceName}`;
}
