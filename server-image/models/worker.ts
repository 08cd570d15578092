// A thread with one session: runs the model there, because a run blocks its thread.

import { parentPort, workerData } from "node:worker_threads";

import { openSession, type Session, type SessionSettings } from "./runtime.ts";
import { lowerThisThread } from "./thread-priority.ts";
import { END, type RunMessage, type RuntimeTensor, type WorkerMessage } from "./worker-messages.ts";

function post(message: WorkerMessage, transfer: readonly ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, [...transfer]);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function load(): Session | undefined {
  try {
    const session = openSession(workerData as SessionSettings);
    post({ kind: "loaded", inputs: session.inputs, outputs: session.outputs });
    return session;
  } catch (error) {
    post({ kind: "load-failed", message: messageOf(error) });
    return undefined;
  }
}

function run(session: Session, { inputs, outputNames }: RunMessage): void {
  try {
    const startedAt = performance.now();
    const outputs = session.run(inputs, outputNames);
    const computeSeconds = (performance.now() - startedAt) / 1000;
    const freed = buffersOf(inputs);
    post({ kind: "ran", outputs, computeSeconds, freed }, [...new Set([...buffersOf(outputs), ...freed])]);
  } catch (error) {
    post({ kind: "run-failed", message: messageOf(error) });
  }
}

function buffersOf(tensors: readonly RuntimeTensor[]): ArrayBuffer[] {
  return tensors.flatMap(({ data }) => ("buffer" in data ? [data.buffer] : []));
}

// Before the session starts the threads that run with this one.
lowerThisThread();
const session = load();
if (session !== undefined) {
  parentPort?.on("message", (message: RunMessage | typeof END) => {
    if (message === END) {
      // Nothing else keeps the thread.
      parentPort?.close();
    } else {
      run(session, message);
    }
  });
}
