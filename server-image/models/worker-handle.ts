// The main thread's side of one worker: starts it, hands it one run at a time, ends it only when it is idle.

import { Worker } from "node:worker_threads";

import { InferenceError } from "../inference-error.ts";
import { LoadError } from "../load-error.ts";
import { bytesOf, fromRuntimeType, type Tensor, toRuntimeType, typedView } from "../tensors/datatypes.ts";
import type { RuntimeValue } from "./metadata.ts";
import type { RunMessage, RuntimeTensor, WorkerMessage, WorkerSettings } from "./worker-messages.ts";

/** One run of the model. The memory of `inputs` moves to the worker: it must not be used afterwards. */
export interface RunRequest {
  readonly inputs: readonly Tensor[];
  readonly outputNames: readonly string[];
}

export interface RunResult {
  readonly outputs: readonly Tensor[];
  /** Inside onnxruntime, without the way to the worker and back. */
  readonly computeSeconds: number;
}

/** The inputs and outputs that the session reports. */
export interface SessionInterface {
  readonly inputs: readonly RuntimeValue[];
  readonly outputs: readonly RuntimeValue[];
}

export class WorkerHandle {
  readonly #worker: Worker;
  readonly #loaded = Promise.withResolvers<SessionInterface>();
  readonly #ended = Promise.withResolvers<void>();
  #run: PromiseWithResolvers<RunResult> | undefined;
  #alive = true;
  #failure: unknown;

  constructor(script: URL, settings: WorkerSettings) {
    this.#worker = new Worker(script, { workerData: settings, name: "model" });
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
    const buffers = message.inputs.flatMap(({ data }) => (Array.isArray(data) ? [] : [data.buffer]));
    // Throws for memory that cannot be moved, and then no answer will come: nothing is running.
    this.#worker.postMessage(message, buffers);
    this.#run = Promise.withResolvers();
    return this.#run.promise;
  }

  /** Ends the thread. While a run or the load is in progress this would abort the whole process, so it waits for them. */
  async stop(): Promise<void> {
    await Promise.allSettled([this.#loaded.promise, this.#run?.promise]);
    await this.#worker.terminate();
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
        });
        break;
      case "run-failed":
        this.#settle()?.reject(
          new InferenceError("INTERNAL", `the model failed on this input: ${withoutPaths(message.message)}`),
        );
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

function toRuntimeTensor({ name, datatype, shape, data }: Tensor): RuntimeTensor {
  const typed = data instanceof Uint8Array && datatype !== "BYTES" ? typedView(datatype, data) : (data as string[]);
  return { name, type: toRuntimeType(datatype), dims: shape, data: typed };
}

function toTensor({ name, type, dims, data }: RuntimeTensor): Tensor {
  const datatype = fromRuntimeType(type);
  if (datatype === undefined) {
    throw new Error(`output ${JSON.stringify(name)} has the unknown type ${type}`);
  }
  return { name, datatype, shape: dims, data: Array.isArray(data) ? data : bytesOf(data) };
}

/** onnxruntime's messages without the source files they were built from and without line breaks. */
function withoutPaths(message: string): string {
  return message
    .replaceAll(/(^|\s)(?:\/[^\s/:]+)+\.(?:h|cc|cpp)(?::\d+)?/g, "$1")
    .replaceAll(/\s+/g, " ")
    .trim();
}
