// The whole server put together: listens at once, loads the model, answers, and stops without losing a request.

import { setTimeout } from "node:timers/promises";

import { acceptModel } from "./acceptance.ts";
import type { Config } from "./config.ts";
import { patienceMs } from "./grace-period.ts";
import { IoThreads } from "./io/io-threads.ts";
import { keepLoadLine } from "./io/keep-load-line.ts";
import { measureAll } from "./io/measure-all.ts";
import { ThreadBoard } from "./io/thread-board.ts";
import { watchThread } from "./io/thread-watch.ts";
import type { Log } from "./log.ts";
import type { Machine } from "./machine.ts";
import { Metrics } from "./metrics.ts";
import { writeCalibration } from "./models/calibration-text.ts";
import { chooseProvider } from "./models/execution-provider.ts";
import { LoadLine } from "./models/load-line.ts";
import type { LoadedModel } from "./models/load-model.ts";
import { Model, type ModelOptions } from "./models/model.ts";
import packageJson from "./package.json" with { type: "json" };
import { ProcessMetrics } from "./process-metrics.ts";
import { answerHttp } from "./protocols/answer-http.ts";
import type { ProtocolContext } from "./protocols/context.ts";
import { allowOrigins } from "./protocols/http/cross-origin.ts";
import { HttpListener } from "./protocols/http/listener.ts";
import { GrpcListener } from "./protocols/open-inference-grpc/listener.ts";
import { renderMetrics } from "./server-figures.ts";
import type { Environment } from "./storage/credentials.ts";
import { type FetchOptions, fetchModel } from "./storage/fetch-model.ts";
import type { ResolveHost } from "./storage/guarded-agent.ts";
import { takePort } from "./take-port.ts";

/** What the server takes from outside itself. */
export interface ServerDependencies {
  readonly log: Log;
  readonly machine: Machine;
  /** Milliseconds, monotonic. */
  readonly clock: () => number;
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
  /** A number in [0, 1). */
  readonly random: () => number;
  /** Environment variables, for the credentials and the endpoints of storage. */
  readonly environment: Environment;
  /** Addresses of the hosts that models are downloaded from. */
  readonly resolveHost: ResolveHost;
  /** Called when a run exceeds its limit; the process cannot go on. */
  readonly onStuckRun: () => void;
}

export interface RunningServer {
  readonly port: number;
  readonly grpcPort: number;
  /** Resolves when the model is ready; rejects with a LoadError, or with an AbortError after `stop`. */
  readonly loaded: Promise<void>;
  /** Not ready; after the drain delay no new connections; resolves when all accepted requests are answered. */
  readonly stop: () => Promise<void>;
  /** Ends the drain delay now. */
  readonly skipDrainDelay: () => void;
}

const STALL_TIMEOUT_MS = 30_000;
const FIRST_RETRY_WAIT_MS = 500;
const MAIN_THREAD = 0;

/** Resolves when the server listens, which is before the model is loaded. Rejects when the port cannot be had. */
export async function startServer(config: Config, dependencies: ServerDependencies): Promise<RunningServer> {
  const server = new Server(config, dependencies);
  await server.listen();
  return server;
}

class Server implements RunningServer {
  readonly #config: Config;
  readonly #dependencies: ServerDependencies;
  readonly #stopping = new AbortController();
  readonly #hurry = new AbortController();
  readonly #metrics: Metrics;
  readonly #processMetrics = new ProcessMetrics();
  readonly #model: Model;
  readonly #listener: HttpListener;
  readonly #grpcListener: GrpcListener;
  /** Replaced once it is known how many threads there are. */
  #board = new ThreadBoard(1);
  #threads: IoThreads | undefined;
  #loadLine = new LoadLine({});
  readonly #timers: (() => void)[] = [];
  port = 0;
  grpcPort = 0;
  loaded: Promise<void> = Promise.resolve();

  constructor(config: Config, dependencies: ServerDependencies) {
    const { clock, random, log } = dependencies;
    this.#config = config;
    this.#dependencies = dependencies;
    this.#metrics = new Metrics({
      queueDepth: () => this.#model.queueDepth,
      requestsInFlight: () => this.#model.inFlight,
    });
    this.#model = new Model(this.#modelOptions());
    this.#listener = new HttpListener({
      handle: allowOrigins(config.corsAllowOrigin, answerHttp(this.#context())),
      maxBodyBytes: config.maxBodyBytes,
      maxConnections: () => Math.ceil(config.maxConnections / this.#board.threads),
      clock,
      random,
      log,
      ...(this.#mayShare()
        ? {
            sharing: {
              setConnections: (count: number) => this.#board.setConnections(MAIN_THREAD, count),
              isAhead: () => this.#board.isAhead(MAIN_THREAD),
            },
          }
        : {}),
    });
    this.#grpcListener = new GrpcListener({
      context: this.#context(),
      maxMessageBytes: config.maxBodyBytes,
      maxConnections: () => Math.ceil(config.maxConnections / this.#board.threads),
      wallClock: dependencies.wallClock,
      random,
      reusePort: this.#mayShare(),
    });
  }

  async listen(): Promise<void> {
    const { httpPort, grpcPort } = this.#config;
    const shared = this.#mayShare();
    this.port = await takePort({ flag: "--http-port", port: httpPort, shared }, (port) => this.#listener.listen(port));
    try {
      const grpc = { flag: "--grpc-port", port: grpcPort, shared };
      this.grpcPort = await takePort(grpc, (port) => this.#grpcListener.listen(port));
    } catch (error) {
      await this.#listener.close(0);
      throw error;
    }
    this.#dependencies.log.info({ port: this.port, grpcPort: this.grpcPort }, "listening");
    this.loaded = this.#model.load(() => fetchModel(this.#config, this.#fetchOptions()), this.#stopping.signal);
    // Whoever stops the server waits for the load as well.
    this.loaded.catch(() => undefined);
  }

  readonly skipDrainDelay = (): void => this.#hurry.abort();

  readonly stop = async (): Promise<void> => {
    const wasReady = this.#model.readiness.ready;
    this.#stopping.abort();
    this.#listener.startDraining();
    this.#grpcListener.startDraining();
    this.#threads?.drain();
    if (wasReady) {
      // Pods are taken out of load balancing while they get SIGTERM: new connections still arrive for seconds.
      const { signal } = this.#hurry;
      await setTimeout(this.#config.drainDelaySeconds * 1000, undefined, { signal }).catch(() => undefined);
    }
    await Promise.all([
      this.#listener.close(patienceMs(this.#config)),
      this.#grpcListener.close(patienceMs(this.#config)),
      this.#threads?.close(),
    ]);
    await Promise.allSettled([this.loaded]);
    await this.#model.stop();
    for (const end of this.#timers) {
      end();
    }
  };

  /** Whether there may be several I/O threads: then the port is shared from the start. */
  #mayShare(): boolean {
    return (this.#config.ioThreads ?? this.#dependencies.machine.usableThreads) > 1;
  }

  #context(): ProtocolContext {
    const { clock, log } = this.#dependencies;
    return {
      model: this.#model,
      metrics: this.#metrics,
      isStopping: () => this.#stopping.signal.aborted,
      renderMetrics: () => this.#renderMetrics(),
      calibration: () => this.#calibration(),
      serverVersion: packageJson.version,
      clock,
      log,
    };
  }

  async #calibration(): Promise<string | undefined> {
    const { calibration } = this.#model;
    return calibration === undefined ? undefined : writeCalibration(calibration);
  }

  async #renderMetrics(): Promise<string> {
    return renderMetrics({
      model: this.#model,
      metrics: this.#metrics,
      processMetrics: this.#processMetrics,
      loadLine: this.#loadLine,
      others: (await this.#threads?.collect()) ?? [],
    });
  }

  /** All that waits for the plan: the other I/O threads, the load line, and who watches it. */
  async #prepare(loaded: LoadedModel, modelPath: string): Promise<void> {
    const { metadata, plan } = loaded;
    const { wallClock, machine, log } = this.#dependencies;
    const board = new ThreadBoard(plan.ioThreads);
    this.#board = board;
    this.#timers.push(watchThread(board, MAIN_THREAD, this.#metrics, wallClock));
    const { loadLine, end } = keepLoadLine({
      loaded,
      ioCpuSeconds: this.#model.calibration?.ioCpuSeconds ?? {},
      saturation: this.#model.calibration?.saturation,
      cpus: machine.cpus,
      board,
      backlogSince: () => this.#backlogSince(),
      wallClock,
      log,
    });
    this.#loadLine = loadLine;
    this.#timers.push(end);
    if (plan.ioThreads === 1) {
      return;
    }
    const threads = new IoThreads({
      settings: {
        threads: plan.ioThreads,
        board: board.memory,
        port: this.port,
        grpcPort: this.grpcPort,
        config: this.#config,
        metadata,
        plan,
        modelPath,
      },
      model: this.#model,
      renderMetrics: () => this.#renderMetrics(),
      calibration: () => this.#calibration(),
      statistics: () => this.#model.statistics(),
      log,
    });
    this.#threads = threads;
    await threads.start();
  }

  /** Milliseconds since 1970; undefined while no request waits. */
  #backlogSince(): number | undefined {
    const { clock, wallClock } = this.#dependencies;
    const { backlogSinceMs } = this.#model;
    return backlogSinceMs === undefined ? undefined : wallClock() - (clock() - backlogSinceMs);
  }

  #modelOptions(): ModelOptions {
    const { onStuckRun, machine, random } = this.#dependencies;
    const config = this.#config;
    return {
      ...config,
      ...this.#dependencies,
      ...machine,
      name: config.modelName,
      serverVersion: packageJson.version,
      executionProvider: chooseProvider(config.executionProvider, machine.fileExists),
      batchDelayMs: config.maxBatchDelayMs,
      latencyBoundMs: config.maxBatchRunMs,
      calibrationMs: config.calibrationSeconds * 1000,
      givenCalibration: config.calibration,
      pool: { runTimeoutMs: config.runTimeoutSeconds * 1000, onStuckRun },
      draw: random,
      observer: {
        observeLoad: (phase, seconds) => this.#processMetrics.observeLoad(phase, seconds),
        observeQueue: (seconds) => this.#metrics.observeQueue(seconds),
        observeRun: (run) => this.#metrics.observeRun(run),
      },
      measureIo: (probe) =>
        measureAll(probe, {
          ...config,
          ...this.#dependencies,
          ...machine,
          context: this.#context(),
          handle: answerHttp,
        }),
      otherStatistics: async () => ((await this.#threads?.collect()) ?? []).map(({ statistics }) => statistics),
      beforeReady: async (loaded, { path }) => {
        await acceptModel(loaded, config);
        await this.#prepare(loaded, path);
      },
    };
  }

  #fetchOptions(): FetchOptions {
    return {
      ...this.#dependencies,
      stallTimeoutMs: STALL_TIMEOUT_MS,
      firstWaitMs: FIRST_RETRY_WAIT_MS,
      signal: this.#stopping.signal,
      onProgress: (progress) => this.#processMetrics.observeDownload(progress),
    };
  }
}
