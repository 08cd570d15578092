// An I/O thread for tests: its first life ends when it is asked for its figures.

import { parentPort, workerData } from "node:worker_threads";

import type { IoThreadSettings, MainCalls, ThreadCalls } from "../io/thread-calls.ts";
import { type Port, ThreadLink } from "../io/thread-link.ts";
import { StatisticsRecorder } from "../models/statistics.ts";

const settings = workerData as IoThreadSettings;
const lives = Atomics.add(new Int32Array(settings.board), 0, 1);

const link = new ThreadLink<MainCalls, ThreadCalls>(parentPort as Port, {
  collect: async () => {
    if (lives === 0) {
      setImmediate(() => {
        throw new Error("a fault in JavaScript");
      });
      await new Promise(() => undefined);
    }
    return { series: [], statistics: new StatisticsRecorder().snapshot(), queueDepth: lives };
  },
  drain: async () => undefined,
  readiness: async () => undefined,
  close: async () => {
    setImmediate(() => parentPort?.close());
    return undefined;
  },
});
if (settings.modelPath === "dies while starting") {
  throw new Error("no luck");
}
await link.ask("listening", undefined);
