// A model whose queue is on another thread: requests, results, errors and cancellations over a real pair of ports.

import { MessageChannel } from "node:worker_threads";

import { afterEach, describe, expect, test, vi } from "vitest";

import { Cancellation } from "../cancellation.ts";
import { InferenceError } from "../inference-error.ts";
import type { InferenceRequest, InferenceResult, Readiness, ServedModel } from "../models/served-model.ts";
import { StatisticsRecorder } from "../models/statistics.ts";
import { ONE_WORKER } from "../models/test-plan.ts";
import { bytesIn, numbersOf, tensorOf } from "../models/test-runner.ts";
import type { Tensor } from "../tensors/datatypes.ts";
import { RemoteInferences, RemoteModel } from "./remote-model.ts";
import type { MainCalls, ThreadCalls } from "./thread-calls.ts";
import { ThreadLink } from "./thread-link.ts";

type Infer = (request: InferenceRequest, cancellation: Cancellation) => Promise<InferenceResult>;

const open: MessageChannel[] = [];

afterEach(() => {
  for (const { port1 } of open.splice(0)) {
    port1.close();
  }
});

const METADATA = { name: "m", version: "1", platform: "onnx_onnxv1", inputs: [], outputs: [] };
const PLAN = { ...ONE_WORKER, ioThreads: 2 };

/** The model as a second I/O thread sees it, and what the main thread's model is asked. */
function connect(infer: Infer, readiness: Readiness = { ready: true }) {
  const channel = new MessageChannel();
  open.push(channel);
  const inferences = new RemoteInferences({ infer } as ServedModel, () => new Cancellation());
  const main = new ThreadLink<ThreadCalls, MainCalls>(channel.port1, {
    listening: async () => undefined,
    renderMetrics: async () => "",
    calibration: async () => undefined,
    statistics: async () => new StatisticsRecorder().snapshot(),
    infer: (ask) => inferences.infer(ask),
    cancel: async (number) => {
      inferences.cancel(number);
      return undefined;
    },
  });
  const unused = () => Promise.reject(new Error("not asked here"));
  const link = new ThreadLink<MainCalls, ThreadCalls>(channel.port2, {
    collect: unused,
    drain: unused,
    close: unused,
    readiness: unused,
  });
  const model = new RemoteModel({
    link,
    metadata: METADATA,
    plan: PLAN,
    versionLabels: ["stable"],
    readiness: () => readiness,
  });
  return { model, main };
}

const echo: Infer = async ({ inputs }) => ({ outputs: inputs.map((tensor) => ({ ...tensor, name: "y" })) });

/** Inputs as they lie in the body of a request: parts of one buffer, which is part of Node's pool. */
function inOneBody(...inputs: Tensor[]): Tensor[] {
  const body = Buffer.concat(inputs.map(({ data }) => data as Uint8Array));
  let offset = 0;
  return inputs.map((tensor) => {
    const start = offset;
    offset += tensor.data.length;
    return { ...tensor, data: body.subarray(start, offset) };
  });
}

describe("requests", () => {
  test("go there, and their results come back", async () => {
    const infer = vi.fn<Infer>(echo);
    const { model } = connect(infer);
    const request = { inputs: [tensorOf("x", [2], [1, 2])], outputNames: ["y"], priority: 3, timeoutMs: 500 };
    const { outputs } = await model.infer(request, new Cancellation());
    expect(outputs).toEqual([tensorOf("y", [2], [1, 2])]);
    expect(infer.mock.calls[0]?.[0]).toEqual(request);
  });

  test("several inputs in one body; the body stays as it is", async () => {
    const { model } = connect(echo);
    const inputs = inOneBody(tensorOf("a", [2], [1, 2]), tensorOf("b", [1], [3]));
    const { outputs } = await model.infer({ inputs, outputNames: ["y"] }, new Cancellation());
    expect(outputs.map(numbersOf)).toEqual([[1, 2], [3]]);
    expect(inputs.map(numbersOf)).toEqual([[1, 2], [3]]);
  });

  test("texts", async () => {
    const { model } = connect(echo);
    const texts: Tensor = { name: "x", datatype: "BYTES", shape: [2], data: ["a", "ü"] };
    const { outputs } = await model.infer({ inputs: [texts], outputNames: ["y"] }, new Cancellation());
    expect(outputs).toEqual([{ ...texts, name: "y" }]);
  });

  test("of a batch only the own rows travel back, not those of others", async () => {
    const together = tensorOf(
      "y",
      [1000],
      Array.from({ length: 1000 }, () => 5),
    );
    const { model } = connect(async () => ({
      outputs: [{ ...together, shape: [1], data: bytesIn(together).subarray(8, 12) }],
    }));
    const { outputs } = await model.infer({ inputs: [], outputNames: ["y"] }, new Cancellation());
    expect(outputs.map(numbersOf)).toEqual([[5]]);
    expect(bytesIn(outputs[0]).buffer.byteLength).toBe(4);
  });

  test("errors keep their code and text", async () => {
    const { model } = connect(() => Promise.reject(new InferenceError("UNAVAILABLE", "Exceeds maximum queue size")));
    const answer = model.infer({ inputs: [], outputNames: [] }, new Cancellation());
    await expect(answer).rejects.toMatchObject({ code: "UNAVAILABLE", message: "Exceeds maximum queue size" });
  });
});

describe("clients that leave", () => {
  test("are told to the other thread, each to its own request", async () => {
    const seen: Cancellation[] = [];
    const { model } = connect(async (_request, cancellation) => {
      seen.push(cancellation);
      const { promise, reject } = Promise.withResolvers<InferenceResult>();
      cancellation.listen(() => reject(new InferenceError("CANCELLED", "gone")));
      return promise;
    });
    const clients = [new Cancellation(), new Cancellation()];
    const answers = clients.map((client) => model.infer({ inputs: [], outputNames: [] }, client));
    await vi.waitFor(() => expect(seen).toHaveLength(2));
    clients[1]?.cancel();
    await expect(answers[1]).rejects.toMatchObject({ code: "CANCELLED" });
    expect(seen.map(({ cancelled }) => cancelled)).toEqual([false, true]);
    clients[0]?.cancel();
    await expect(answers[0]).rejects.toMatchObject({ code: "CANCELLED" });
  });

  test("before they are sent: the other thread is not troubled", async () => {
    const infer = vi.fn<Infer>(echo);
    const { model } = connect(infer);
    const gone = new Cancellation();
    gone.cancel();
    await expect(model.infer({ inputs: [], outputNames: [] }, gone)).rejects.toMatchObject({ code: "CANCELLED" });
    await model.infer({ inputs: [], outputNames: [] }, new Cancellation());
    expect(infer).toHaveBeenCalledTimes(1);
  });

  test("after the answer: nothing happens", async () => {
    const { model } = connect(echo);
    const client = new Cancellation();
    await model.infer({ inputs: [], outputNames: [] }, client);
    client.cancel();
    await expect(model.infer({ inputs: [], outputNames: [] }, new Cancellation())).resolves.toBeDefined();
  });
});

describe("what it says of itself", () => {
  test("the main thread's description and figures", async () => {
    const { model } = connect(echo);
    expect([model.name, model.versionLabels, model.readyMetadata(), model.readyPlan()]).toEqual([
      "m",
      ["stable"],
      METADATA,
      PLAN,
    ]);
    expect(await model.statistics()).toEqual(new StatisticsRecorder().snapshot());
    expect(() => model.admit()).not.toThrow();
  });

  test("not ready: nothing is admitted, with the main thread's reason", () => {
    const { model } = connect(echo, { ready: false, reason: "no worker has the model loaded" });
    expect(() => model.admit()).toThrow("no worker has the model loaded");
  });
});
