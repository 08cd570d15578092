// The other I/O threads as the main thread sees them: starts them, replaces those that die, collects their figures.

import { clearInterval, setInterval } from "node:timers";
import { setTimeout } from "node:timers/promises";
import { Worker } from "node:worker_threads";

import { Cancellation } from "../cancellation.ts";
import type { Log } from "../log.ts";
import type { ServedModel } from "../models/served-model.ts";
import type { ModelStatistics } from "../models/statistics.ts";
import { RemoteInferences } from "./remote-model.ts";
import type { IoThreadSettings, MainCalls, ThreadCalls, ThreadFigures } from "./thread-calls.ts";
import { ThreadLink } from "./thread-link.ts";

export interface IoThreadsOptions {
  readonly settings: Omit<IoThreadSettings, "thread">;
  readonly model: ServedModel;
  readonly renderMetrics: () => Promise<string>;
  readonly calibration: () => Promise<string | undefined>;
  /** Of all threads. */
  readonly statistics: () => Promise<ModelStatistics>;
  readonly log: Log;
  /** Another script than the real thread, for tests. */
  readonly script?: URL;
}

const SCRIPT = new URL("./io-thread.ts", import.meta.url);
const RESTART_DELAY_MS = 500;
const READINESS_INTERVAL_MS = 500;

interface IoThread {
  readonly link: ThreadLink<ThreadCalls, MainCalls>;
  readonly listening: Promise<void>;
  readonly ended: Promise<void>;
}

export class IoThreads {
  readonly #options: IoThreadsOptions;
  readonly #threads = new Map<number, IoThread>();
  #closing = false;
  #readinessTimer: NodeJS.Timeout | undefined;
  /** As JSON; threads begin as ready. */
  #toldReadiness = JSON.stringify({ ready: true });

  constructor(options: IoThreadsOptions) {
    this.#options = options;
  }

  /** Resolves when all of them take connections; rejects when one cannot. */
  async start(): Promise<void> {
    const { threads } = this.#options.settings;
    const started = Array.from({ length: threads - 1 }, (_, index) => this.#start(index + 1));
    await Promise.all(started.map(({ listening }) => listening));
    this.#readinessTimer = setInterval(() => this.#tellReadiness(), READINESS_INTERVAL_MS).unref();
  }

  /** What each thread has counted. A thread that dies meanwhile is left out. */
  async collect(): Promise<ThreadFigures[]> {
    const asked = [...this.#threads.values()].map(({ link }) => link.ask("collect", undefined));
    const answers = await Promise.allSettled(asked);
    return answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
  }

  drain(): void {
    for (const { link } of this.#threads.values()) {
      void link.ask("drain", undefined).catch(() => undefined);
    }
  }

  /** Resolves when they have answered all their requests and are gone. */
  async close(): Promise<void> {
    this.#closing = true;
    clearInterval(this.#readinessTimer);
    await Promise.all(
      [...this.#threads.values()].map(async ({ link, ended }) => {
        await Promise.race([link.ask("close", undefined).catch(() => undefined), ended]);
        await ended;
      }),
    );
  }

  /** The model's workers are the main thread's: the others know of their failures only what they are told. */
  #tellReadiness(): void {
    const { readiness } = this.#options.model;
    const text = JSON.stringify(readiness);
    if (text === this.#toldReadiness) {
      return;
    }
    this.#toldReadiness = text;
    for (const { link } of this.#threads.values()) {
      void link.ask("readiness", readiness).catch(() => undefined);
    }
  }

  #start(thread: number): IoThread {
    const { settings, model, log, renderMetrics, calibration, statistics, script = SCRIPT } = this.#options;
    const worker = new Worker(script, { workerData: { ...settings, thread }, name: "io" });
    const listening = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    const inferences = new RemoteInferences(model, () => new Cancellation());
    const link = new ThreadLink<ThreadCalls, MainCalls>(worker, {
      listening: async () => {
        listening.resolve();
        // One that replaces another knows nothing yet.
        this.#toldReadiness = "";
        return undefined;
      },
      renderMetrics,
      calibration,
      statistics,
      infer: (ask) => inferences.infer(ask),
      cancel: async (number) => {
        inferences.cancel(number);
        return undefined;
      },
    });
    worker.on("error", (err) => log.error({ err, thread }, "an I/O thread failed"));
    worker.on("exit", () => {
      const error = new Error(`I/O thread ${thread} ended`);
      this.#threads.delete(thread);
      link.fail(error);
      listening.reject(error);
      ended.resolve();
    });
    const started = { link, listening: listening.promise, ended: ended.promise };
    this.#threads.set(thread, started);
    // Only a thread that has worked before is replaced: one that never did fails the start.
    void listening.promise.then(() => ended.promise.then(() => this.#replace(thread))).catch(() => undefined);
    return started;
  }

  async #replace(thread: number): Promise<void> {
    if (this.#closing) {
      return;
    }
    this.#options.log.error({ thread }, "an I/O thread ended unexpectedly; replacing it");
    await setTimeout(RESTART_DELAY_MS);
    if (!this.#closing) {
      await this.#start(thread).listening.catch(() => this.#replace(thread));
    }
  }
}
