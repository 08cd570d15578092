// A thread of the raw process: one session, and nothing between its runs.

import { parentPort, workerData } from "node:worker_threads";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { hasBatchAxis, type ModelValue, sampleTensors } from "../sample-tensors.ts";
import type { RawOrder, RawSetup, ThreadResult } from "./messages.ts";

/** So that memory is in place before the clock starts. */
const WARM_UP_RUNS = 2;

const { modelPath, threads, shapes } = workerData as RawSetup;

parentPort?.postMessage("loaded", []);
parentPort?.once("message", () => void serve());

async function serve(): Promise<void> {
  const session = await InferenceSession.create(modelPath, {
    executionProviders: ["cpu"],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    // As in the server: a thread that spins takes its core from the others.
    extra: { session: { intra_op: { allow_spinning: "0" } } },
  });
  const inputs = session.inputMetadata.map(toModelValue);
  parentPort?.on("message", (order: RawOrder) => {
    void run(session, inputs, order).then((result) => parentPort?.postMessage(result, []));
  });
  parentPort?.postMessage({ inputs, outputs: session.outputMetadata.map(toModelValue) }, []);
}

async function run(
  session: InferenceSession,
  inputs: readonly ModelValue[],
  { rows, seconds }: RawOrder,
): Promise<ThreadResult> {
  const feeds = Object.fromEntries(
    sampleTensors(inputs, rows, shapes).map(({ name, type, shape, data }) => [name, new Tensor(type, data, shape)]),
  );
  let last = await session.run(feeds);
  for (let count = 1; count < WARM_UP_RUNS; count += 1) {
    await session.run(feeds);
  }
  const runSeconds: number[] = [];
  const startedAt = performance.now();
  let now = startedAt;
  do {
    last = await session.run(feeds);
    const endedAt = performance.now();
    runSeconds.push((endedAt - now) / 1000);
    now = endedAt;
  } while (now - startedAt < seconds * 1000);
  return { runSeconds, seconds: (now - startedAt) / 1000, outputs: firstRows(last, hasBatchAxis(inputs) ? rows : 1) };
}

/** Numbers of the first of so many equal parts of each output. */
function firstRows(outputs: InferenceSession.OnnxValueMapType, parts: number): Record<string, number[]> {
  return Object.fromEntries(
    Object.entries(outputs).map(([name, { data }]) => {
      const values = Array.from(data as ArrayLike<number | bigint>, Number);
      return [name, values.slice(0, values.length / parts)];
    }),
  );
}

function toModelValue(value: InferenceSession.ValueMetadata): ModelValue {
  if (!value.isTensor) {
    throw new Error(`${value.name} is no tensor`);
  }
  return { name: value.name, type: value.type, shape: value.shape };
}
