// A thread with one onnxruntime session: the only place that runs the model, because a run blocks its thread.

import { parentPort, workerData } from "node:worker_threads";

import type { InferenceSession } from "onnxruntime-node";

import type { RunMessage, RuntimeTensor, WorkerMessage, WorkerSettings } from "./worker-messages.ts";

// onnxruntime-node 1.30 makes Float16Arrays where the runtime has them, which its own native part refuses; without the
// class it takes the bits as Uint16Array. It looks when it is loaded, hence the import below.
Reflect.deleteProperty(globalThis, "Float16Array");
const { default: onnxruntime } = await import("onnxruntime-node");

/** Errors come to us as exceptions, so onnxruntime need not print them too. */
const LOG_FATAL = 4;

const settings = workerData as WorkerSettings;

function post(message: WorkerMessage, transfer: readonly ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, [...transfer]);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function load(): Promise<InferenceSession | undefined> {
  try {
    const session = await onnxruntime.InferenceSession.create(settings.modelPath, {
      executionProviders: ["cpu"],
      // Explicit: the default looks at the machine's cores, not at the container's share of them.
      intraOpNumThreads: settings.threads,
      interOpNumThreads: 1,
      logSeverityLevel: LOG_FATAL,
      // Spinning threads would burn a core while idle.
      extra: { session: { intra_op: { allow_spinning: "0" } } },
    });
    post({ kind: "loaded", inputs: session.inputMetadata, outputs: session.outputMetadata });
    return session;
  } catch (error) {
    post({ kind: "load-failed", message: messageOf(error) });
    return undefined;
  }
}

async function run(session: InferenceSession, message: RunMessage): Promise<void> {
  try {
    // No prototype: an input may be called "__proto__".
    const feeds: InferenceSession.OnnxValueMapType = Object.create(null);
    for (const { name, type, data, dims } of message.inputs) {
      Object.defineProperty(feeds, name, {
        value: new onnxruntime.Tensor(type, data, dims),
        enumerable: true,
      });
    }
    const startedAt = performance.now();
    const results = await session.run(feeds, message.outputNames);
    const computeSeconds = (performance.now() - startedAt) / 1000;
    const outputs = message.outputNames.map((name) => toRuntimeTensor(name, results[name]));
    post({ kind: "ran", outputs, computeSeconds }, transferList(outputs));
  } catch (error) {
    post({ kind: "run-failed", message: messageOf(error) });
  }
}

function toRuntimeTensor(name: string, value: InferenceSession.OnnxValueMapType[string] | undefined): RuntimeTensor {
  if (value === undefined) {
    throw new Error(`the run gave no output ${JSON.stringify(name)}`);
  }
  const { type, data, dims } = value as unknown as Omit<RuntimeTensor, "name">;
  return { name, type, data, dims };
}

function transferList(outputs: readonly RuntimeTensor[]): ArrayBuffer[] {
  const buffers = outputs.flatMap(({ data }) => (Array.isArray(data) ? [] : [data.buffer]));
  return [...new Set(buffers)];
}

const session = await load();
if (session !== undefined) {
  parentPort?.on("message", (message: RunMessage) => {
    void run(session, message);
  });
}
