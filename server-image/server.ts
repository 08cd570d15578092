// The whole server put together: listens at once, loads the model, answers, and stops without losing a request.

import { setTimeout } from "node:timers/promises";

import type { Config } from "./config.ts";
import type { Log } from "./log.ts";
import { Metrics } from "./metrics.ts";
import { Model, type ModelOptions } from "./models/model.ts";
import packageJson from "./package.json" with { type: "json" };
import { errorAnswer, type HttpAnswer, type HttpRequest } from "./protocols/http/exchange.ts";
import { HttpListener } from "./protocols/http/listener.ts";
import { openInferenceRest, type RoutesContext } from "./protocols/open-inference-rest/routes.ts";
import { type FetchOptions, fetchModel } from "./storage/fetch-model.ts";

/** What the server takes from outside itself. */
export interface ServerDependencies {
  readonly log: Log;
  /** Milliseconds, monotonic. */
  readonly clock: () => number;
  /** A number in [0, 1). */
  readonly random: () => number;
  /** Called when a run exceeds its limit; the process cannot go on. */
  readonly onStuckRun: () => void;
}

export interface RunningServer {
  readonly port: number;
  /** Resolves when the model is ready; rejects with a LoadError, or with an AbortError after `stop`. */
  readonly loaded: Promise<void>;
  /** Not ready; after the drain delay no new connections; resolves when all accepted requests are answered. */
  readonly stop: () => Promise<void>;
  /** Ends the drain delay now. */
  readonly skipDrainDelay: () => void;
}

const STALL_TIMEOUT_MS = 30_000;
const FIRST_RETRY_WAIT_MS = 500;

/** Resolves when the server listens, which is before the model is loaded. Rejects when the port cannot be had. */
export async function startServer(config: Config, dependencies: ServerDependencies): Promise<RunningServer> {
  const { log, clock, random } = dependencies;
  const stopping = new AbortController();
  const hurry = new AbortController();
  const metrics: Metrics = new Metrics({
    queueDepth: () => model.queueDepth,
    requestsInFlight: () => model.inFlight,
  });
  const model = new Model(modelOptions(config, metrics, dependencies));
  const context: RoutesContext = {
    model,
    metrics,
    isStopping: () => stopping.signal.aborted,
    serverVersion: packageJson.version,
    clock,
    log,
  };
  const handle = async (request: HttpRequest) =>
    (await openInferenceRest(request, context)) ??
    (await serveMetrics(request, metrics)) ??
    errorAnswer(404, "Not Found");
  const listener = new HttpListener({ handle, maxBodyBytes: config.maxBodyBytes, clock, random, log });
  const port = await listener.listen(config.httpPort);
  log.info({ port, workers: config.workers, threadsPerWorker: config.threadsPerWorker }, "listening");
  const loaded = model.load(() => fetchModel(config.storageUri, fetchOptions(config, stopping.signal, dependencies)));
  // Whoever stops the server waits for the load as well, whether or not anyone else does.
  loaded.catch(() => undefined);

  const stop = async () => {
    const wasReady = model.readiness.ready;
    stopping.abort();
    listener.startDraining();
    if (wasReady) {
      // Pods are taken out of load balancing while they get SIGTERM: new connections still arrive for seconds.
      await setTimeout(config.drainDelaySeconds * 1000, undefined, { signal: hurry.signal }).catch(() => undefined);
    }
    await listener.close();
    await Promise.allSettled([loaded]);
    await model.stop();
  };
  return { port, loaded, stop, skipDrainDelay: () => hurry.abort() };
}

async function serveMetrics(request: HttpRequest, metrics: Metrics): Promise<HttpAnswer | undefined> {
  if (request.path.join("/") !== "metrics") {
    return undefined;
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    return errorAnswer(405, "Method Not Allowed", { allow: "GET, HEAD" });
  }
  return { status: 200, headers: { "content-type": metrics.contentType }, body: await metrics.render() };
}

function modelOptions(config: Config, observer: Metrics, { onStuckRun, clock, log }: ServerDependencies): ModelOptions {
  return {
    name: config.modelName,
    workers: config.workers,
    threadsPerWorker: config.threadsPerWorker,
    maxQueueLength: config.maxQueueLength,
    requestTimeoutMs: config.requestTimeoutSeconds * 1000,
    runTimeoutMs: config.runTimeoutSeconds * 1000,
    observer,
    onStuckRun,
    clock,
    log,
  };
}

function fetchOptions(config: Config, signal: AbortSignal, { random, log }: ServerDependencies): FetchOptions {
  return {
    modelDirectory: config.modelDirectory,
    pvcRoot: config.pvcRoot,
    limits: {
      totalTimeoutMs: config.downloadTimeoutSeconds * 1000,
      stallTimeoutMs: STALL_TIMEOUT_MS,
      firstWaitMs: FIRST_RETRY_WAIT_MS,
      maxBytes: config.maxModelBytes,
    },
    signal,
    random,
    log,
  };
}
