// Composition root of `plimsoll run`: makes every part of the operator, starts them in order, and stops them together.

import { once } from "node:events";
import type { Server } from "node:http";
import { hostname } from "node:os";
import { KubeConfig } from "@kubernetes/client-node";
import { createActuator } from "../autoscaler/actuator.ts";
import { Autoscaler } from "../autoscaler/autoscaler.ts";
import { runLoop } from "../autoscaler/loop.ts";
import { ConfigError, type RunConfig } from "../config.ts";
import { ExternalMetrics } from "../external-metrics/external-metrics.ts";
import { createReconciler } from "../inference-service/reconcile.ts";
import { type ClosableKubeClient, createKubeClient } from "../kube/client.ts";
import { aborted, systemClock, wait } from "../kube/clock.ts";
import { Controller } from "../kube/controller.ts";
import { EventRecorder } from "../kube/events.ts";
import { countRequest } from "../kube/metrics.ts";
import type { KubeClient } from "../kube/types.ts";
import { createEndpoints } from "../observability/http-endpoints.ts";
import { findStuck, WorkTimer } from "../observability/liveness.ts";
import type { Logger } from "../observability/logger.ts";
import { createRecorder, createRegistry, type MetricRecorder } from "../observability/metrics.ts";
import { collectSignals } from "../signals/collect.ts";
import { createPrometheus } from "../signals/prometheus.ts";
import { maxSampleAgeSeconds, rateWindowSeconds } from "../signals/queries.ts";
import { Caches } from "./caches.ts";
import { createLeadership, type Leadership, makeIdentity } from "./leadership.ts";
import { createMetricsSource } from "./metrics-source.ts";
import { operatorMetrics } from "./operator-metrics.ts";

/** The pods of the operator, as its Deployment labels them; the metrics Service selects them. */
const operatorSelector = { "app.kubernetes.io/name": "plimsoll-operator" };
/** Kubernetes 1.N from which HPAs know `tolerance` without a feature gate. */
const hpaToleranceSince = 35;
const versionRetryMs = 2_000;
const maxPrometheusAnswerBytes = 64 * 2 ** 20;
const prometheusTimeoutMs = 3_000;

/** Runs the operator until the signal aborts. Rejects only when it cannot start, its port cannot be had, or it no longer leads. */
export async function run(config: RunConfig, logger: Logger, stop: AbortSignal): Promise<void> {
  const failure = new AbortController();
  const signal = AbortSignal.any([stop, failure.signal]);
  const registry = createRegistry();
  const metrics = createRecorder(registry, operatorMetrics);
  const kubeConfig = loadKubeConfig(config.kubeconfig);
  const identity = makeIdentity();
  // The audit log then says which replica wrote.
  const userAgent = `plimsoll-operator (${identity})`;
  const leadership = createLeadership(config, { kubeConfig, identity, userAgent, logger, metrics });
  const client = createKubeClient({
    kubeConfig,
    userAgent,
    onRequest: (request) => countRequest(metrics, request),
    mayWrite: leadership.mayWrite,
  });
  const minorVersion = await askUntilAnswered(client, logger, signal);
  if (minorVersion === undefined) return client.close();
  let leads = false;
  const caches = new Caches({
    client,
    logger,
    metrics,
    namespaces: config.watchNamespaces,
    enqueue: (key) => {
      // A follower's queue would only grow; whoever becomes the leader looks at every service.
      if (leads) controller.enqueue(key);
    },
  });
  const events = new EventRecorder({
    client,
    reportingController: "plimsoll.dev/operator",
    reportingInstance: hostname(),
    logger,
    signal,
  });
  const controller = new Controller({
    name: "inferenceservice",
    reconcile: createReconciler({
      client,
      listers: caches.listers,
      settings: { serverImage: config.serverImage, hpaTolerance: minorVersion >= hpaToleranceSince },
      now: () => new Date(),
      events,
    }),
    sources: [{ synced: caches.settled }],
    queue: { isUrgent: (key) => caches.isUrgent(key) },
    logger,
    metrics,
  });
  for (const scope of caches.scopes) {
    const { namespace } = scope;
    if (namespace === undefined) continue;
    metrics.track("plimsoll_operator_namespace_watched", { namespace }, () => Number(scope.hasSynced));
  }
  const { autoscaler, externalMetrics } = makeScaling(config, { client, caches, events, leadership, logger, signal });
  const ticks = new WorkTimer(() => systemClock.nowMs());
  const endpoints = createEndpoints({
    registry,
    notReady: () => (caches.hasSettled ? undefined : "caches are not complete yet"),
    stuck: () =>
      findStuck([
        { what: "a reconcile", limitSeconds: 300, runningSeconds: () => controller.longestRunningSeconds },
        { what: "a tick of the autoscaler", limitSeconds: 120, runningSeconds: () => ticks.runningSeconds },
      ]),
  });
  const parts: Promise<void>[] = [
    ...caches.reflectors.map((reflector) => reflector.run(signal)),
    onceElected(leadership, signal, () => {
      leads = true;
      caches.enqueueAll();
      return controller.run(signal);
    }),
    externalMetrics.run(signal),
    scaleWhenSynced(config, { caches, autoscaler, ticks, metrics, logger, signal }),
  ];
  parts.push(listen(endpoints, config.endpointsPort));
  const stopElection = new AbortController();
  const election = leadership.run(stopElection.signal);
  logger.info(
    { identity, prometheusAddress: config.prometheusAddress.origin, serverImage: config.serverImage },
    "operator started",
  );
  try {
    await Promise.race([Promise.all(parts), election]);
  } catch (error) {
    failure.abort(error);
    throw error;
  } finally {
    await Promise.allSettled(parts);
    // Last: as long as something may still be written, nobody else may lead.
    stopElection.abort();
    await Promise.allSettled([election]);
    endpoints.closeAllConnections();
    endpoints.close();
    client.close();
    logger.info({}, "operator stopped");
  }
}

/** Resolves without having started anything when the signal aborts first. */
async function onceElected(leadership: Leadership, signal: AbortSignal, start: () => Promise<void>): Promise<void> {
  await Promise.race([aborted(signal), leadership.elected]);
  if (!signal.aborted) await start();
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen(port);
  try {
    await once(server, "listening");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`--endpoints-port: cannot listen on ${port} (${reason}): choose another port`, {
      cause: error,
    });
  }
}

/** An API server that is not there yet is waited for. Undefined: told to stop before it answered. */
async function askUntilAnswered(
  client: ClosableKubeClient,
  logger: Logger,
  signal: AbortSignal,
): Promise<number | undefined> {
  while (!signal.aborted) {
    try {
      return await client.minorVersion(signal);
    } catch (error) {
      if (!signal.aborted) logger.warn({ err: error }, "waiting for the API server");
      await wait(systemClock, versionRetryMs, signal);
    }
  }
  return undefined;
}

interface Shared {
  readonly client: KubeClient;
  readonly caches: Caches;
  readonly leadership: Leadership;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

function makeScaling(
  config: RunConfig,
  { client, caches, events, leadership, logger }: Shared & { readonly events: EventRecorder },
) {
  const { mayWrite } = leadership;
  const settings = { scrapeIntervalSeconds: config.scrapeInterval, namespaces: config.watchNamespaces };
  const world = caches.world();
  const now = Date.now;
  const query = createPrometheus({
    address: config.prometheusAddress,
    timeoutMs: prometheusTimeoutMs,
    maxBodyBytes: maxPrometheusAnswerBytes,
  });
  const autoscaler = new Autoscaler({
    world,
    collect: (tickSignal) => collectSignals({ query, settings, now }, tickSignal),
    actuator: createActuator(client),
    mayWrite,
    settings,
    now,
    logger,
    foreignProvider: () => {
      const state = externalMetrics.state();
      return state.kind === "foreign" ? state.owner : undefined;
    },
    onChange: (service, { from, to, reason }) => {
      const raised = to > from;
      events.record(service, {
        type: "Normal",
        reason: raised ? "ScaledUp" : "ScaledDown",
        action: raised ? "ScaleUp" : "ScaleDown",
        message: `${from} -> ${to} replicas: ${reason}`,
      });
    },
  });
  const { externalMetricsEndpoint: endpoint, externalMetricsPort: port } = config;
  const externalMetrics = new ExternalMetrics({
    client,
    source: createMetricsSource(autoscaler, world, rateWindowSeconds(settings)),
    namespace: config.namespace,
    reach: endpoint === undefined ? { selector: operatorSelector, port } : { endpoint },
    listen: { host: "0.0.0.0", port },
    maxSampleAgeMs: (maxSampleAgeSeconds(settings) + config.tickInterval) * 1000,
    mayWrite,
    clock: systemClock,
    now,
    logger,
  });
  return { autoscaler, externalMetrics };
}

/** Deciding from half a cache would take services for new and pods for missing. */
async function scaleWhenSynced(
  config: RunConfig,
  parts: Omit<Shared, "client" | "leadership"> & {
    readonly autoscaler: Autoscaler;
    readonly ticks: WorkTimer;
    readonly metrics: MetricRecorder;
  },
): Promise<void> {
  const { caches, autoscaler, ticks, metrics, logger, signal } = parts;
  await Promise.race([aborted(signal), caches.settled]);
  const options = {
    tick: async (tickSignal: AbortSignal) => {
      const seconds = await ticks.time(() => autoscaler.tick(tickSignal));
      metrics.observe("plimsoll_operator_autoscaler_tick_seconds", {}, seconds);
    },
    intervalMs: config.tickInterval * 1000,
    now: () => systemClock.nowMs(),
    sleep: (ms: number, sleepSignal: AbortSignal) => wait(systemClock, ms, sleepSignal),
    logger,
  };
  await runLoop(options, signal);
}

function loadKubeConfig(file: string | undefined): KubeConfig {
  const kubeConfig = new KubeConfig();
  try {
    if (file === undefined) kubeConfig.loadFromDefault();
    else kubeConfig.loadFromFile(file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`--kubeconfig: cannot be read: ${reason}`, { cause: error });
  }
  if (kubeConfig.getCurrentCluster() === null) {
    const context = kubeConfig.getCurrentContext();
    throw new ConfigError(`--kubeconfig: its current-context ${JSON.stringify(context)} names no cluster`);
  }
  return kubeConfig;
}
