// A worker for tests: loads at once, then does what the name of the asked output says.

import { parentPort, workerData } from "node:worker_threads";

import { END, type RunMessage, type WorkerMessage } from "../models/worker-messages.ts";

const { modelPath } = workerData as { modelPath: string };

if (modelPath === "dies while loading") {
  throw new Error("no luck");
}
function post(message: WorkerMessage): void {
  parentPort?.postMessage(message, []);
}

post({ kind: "loaded", inputs: [], outputs: [] });
parentPort?.on("message", (message: RunMessage | typeof END) => {
  if (message === END) {
    parentPort?.close();
    return;
  }
  const [wish] = message.outputNames;
  if (wish === "throw") {
    throw new Error("a fault in JavaScript");
  }
  if (wish === "block") {
    // Blocks the thread as a run of the model does.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
  }
  post({ kind: "ran", outputs: [], computeSeconds: 0, freed: [] });
});
