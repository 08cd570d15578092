// The main thread's side of one worker: starts it, hands it one run at a time, ends it only when it is idle.

import { Worker } from "node:worker_threads";

import { InferenceError } from "../inference-error.ts";
import { LoadError } from "../load-error.ts";
import type { RuntimeValue } from "./metadata.ts";
import { ModelRunError, type RunRequest, type RunResult, toRuntimeTensor, toTensor, withoutPaths } from "./runner.ts";
import type { SessionSettings } from "./runtime.ts";
import { END, type RunMessage, type WorkerMessage } from "./worker-messages.ts";

/** The inputs and outputs that the session reports. */
export interface SessionInterface {
  readonly inputs: readonly RuntimeValue[];
  readonly outputs: readonly RuntimeValue[];
}

/** The objects of one run at a time; tensors do not count, they lie outside of the heap. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 4 };

export class WorkerHandle {
  readonly #worker: Worker;
  readonly #loaded = Promise.withResolvers<SessionInterface>();
  readonly #ended = Promise.withResolvers<void>();
  #run: PromiseWithResolvers<RunResult> | undefined;
  #alive = true;
  #failure: unknown;

  constructor(script: URL, settings: SessionSettings) {
    this.#worker = new Worker(script, { workerData: settings, name: "model", resourceLimits: RESOURCE_LIMITS });
    this.#worker.on("message", (message: WorkerMessage) => this.#receive(message));
    this.#worker.on("error", (error) => {
      this.#failure = error;
    });
    this.#worker.on("exit", () => this.#end());
  }

  /** The session's interface once the model is loaded; rejects with a LoadError. */
  get loaded(): Promise<SessionInterface> {
    return this.#loaded.promise;
  }

  /** Settles when the thread is gone, for whatever reason. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Running now. */
  get busy(): boolean {
    return this.#run !== undefined;
  }

  /** False once the thread is gone. */
  get alive(): boolean {
    return this.#alive;
  }

  /** Needs a loaded, idle worker, else throws; so does memory that cannot be moved. Rejects with an InferenceError `INTERNAL` when the model or the thread fails. */
  run(request: RunRequest): Promise<RunResult> {
    if (this.#run !== undefined) {
      throw new Error("a worker takes one run at a time");
    }
    const message: RunMessage = { inputs: request.inputs.map(toRuntimeTensor), outputNames: request.outputNames };
    const buffers = message.inputs.flatMap(({ data }) => ("buffer" in data ? [data.buffer] : []));
    // Throws for memory that cannot be moved, and then no answer will come: nothing is running.
    this.#worker.postMessage(message, buffers);
    this.#run = Promise.withResolvers();
    return this.#run.promise;
  }

  /**
   * Ends the thread once it is idle. It is asked to: on Node 24 `terminate` aborts the whole process during a run, and
   * also when onnxruntime has only just been loaded.
   */
  async stop(): Promise<void> {
    await Promise.allSettled([this.#loaded.promise, this.#run?.promise]);
    this.#worker.postMessage(END, []);
    await this.#ended.promise;
  }

  #receive(message: WorkerMessage): void {
    switch (message.kind) {
      case "loaded":
        this.#loaded.resolve(message);
        break;
      case "load-failed":
        this.#loaded.reject(new LoadError("load", "MODEL_INVALID", withoutPaths(message.message)));
        break;
      case "ran":
        this.#settle()?.resolve({
          outputs: message.outputs.map(toTensor),
          computeSeconds: message.computeSeconds,
          freed: message.freed,
        });
        break;
      case "run-failed":
        this.#settle()?.reject(new ModelRunError(message.message));
        break;
    }
  }

  #settle(): PromiseWithResolvers<RunResult> | undefined {
    const run = this.#run;
    this.#run = undefined;
    return run;
  }

  #end(): void {
    this.#alive = false;
    const cause = this.#failure;
    this.#loaded.reject(
      new LoadError("load", "WORKER_FAILED", `the thread that loads the model ended: ${String(cause)}`, { cause }),
    );
    // Nobody need wait for the load of a worker that replaces another.
    this.#loaded.promise.catch(() => undefined);
    this.#settle()?.reject(
      new InferenceError("INTERNAL", "the thread that ran the model failed; it is being replaced", { cause }),
    );
    this.#ended.resolve();
  }
}
