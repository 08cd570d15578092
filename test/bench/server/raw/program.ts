// The raw process: onnxruntime-node alone in worker threads, which is the ceiling that a server is compared with.
//
//   node program.ts SETUP        (a RawSetup as JSON)
//
// Prints a RawReady, then a RawResult for each RawOrder on stdin, all as lines of JSON. The end of stdin is its end.

import { createInterface } from "node:readline";
import { Worker } from "node:worker_threads";
import type { RawOrder, RawReady, RawResult, RawSetup, ThreadResult } from "./messages.ts";

const setup = JSON.parse(process.argv[2] ?? "") as RawSetup;

const threads = Array.from(
  { length: setup.workers },
  () => new Worker(new URL("thread.ts", import.meta.url), { workerData: setup }),
);

function print(value: RawReady | RawResult): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

function answers<T>(from: readonly Worker[]): Promise<T[]> {
  return Promise.all(
    from.map(
      (thread) =>
        new Promise<T>((resolve, reject) => {
          thread.once("message", resolve);
          thread.once("error", reject);
        }),
    ),
  );
}

function tell<T>(to: readonly Worker[], message: unknown): Promise<T[]> {
  const answered = answers<T>(to);
  for (const thread of to) {
    thread.postMessage(message, []);
  }
  return answered;
}

await answers(threads);
const bytesBefore = process.memoryUsage.rss();
const [described] = await tell<Pick<RawReady, "inputs" | "outputs">>(threads, "open");
if (described === undefined) {
  throw new Error("at least one worker is needed");
}
print({ ...described, bytesBefore });

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line) as RawOrder;
  const results = await tell<ThreadResult>(threads.slice(0, order.busyWorkers), order);
  print({
    rowsPerSecond: results.reduce(
      (sum, { runSeconds, seconds }) => sum + (order.rows * runSeconds.length) / seconds,
      0,
    ),
    runSeconds: results.flatMap(({ runSeconds }) => runSeconds),
    outputs: results[0]?.outputs ?? {},
    residentBytes: process.memoryUsage.rss(),
  });
}
process.exit(0);
