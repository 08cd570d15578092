// Workers as real threads: runs, failures, replacement, and an end that never cuts a run off.

import { afterEach, describe, expect, test, vi } from "vitest";

import { LoadError } from "../load-error.ts";
import { bytesOf, type Tensor } from "../tensors/datatypes.ts";
import { recordingLog, testModel } from "../test-server.ts";
import { type PoolOptions, WorkerPool } from "./pool.ts";
import { ModelRunError } from "./runner.ts";
import { numbersOf, tensorOf } from "./test-runner.ts";

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

const FAULTY = new URL("../testdata/faulty-worker.ts", import.meta.url);
const pools: WorkerPool[] = [];

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.stop()));
});

function makePool(options: Partial<PoolOptions> = {}): WorkerPool {
  const pool = new WorkerPool({
    modelPath: testModel("scalar"),
    executionProvider: "cpu",
    workers: 1,
    threads: 1,
    runTimeoutMs: 60_000,
    log: recordingLog().log,
    onStuckRun: () => undefined,
    ...options,
  });
  pools.push(pool);
  return pool;
}

const wish = (name: string) => ({ inputs: [], outputNames: [name] });

describe("with onnxruntime", () => {
  test("reports the session's inputs and outputs and runs", async () => {
    const pool = makePool();
    const session = await pool.start();
    expect(session.inputs).toEqual([{ name: "x", isTensor: true, type: "float32", shape: [] }]);
    const result = await pool.run({ inputs: [tensorOf("x", [], [3])], outputNames: ["square"] });
    expect(result.outputs).toEqual([tensorOf("square", [], [9])]);
    expect(result.computeSeconds).toBeGreaterThan(0);
  });

  test("the memory of the inputs goes to the worker and comes back, to be used again", async () => {
    const pool = makePool();
    await pool.start();
    const input = tensorOf("x", [], [3]);
    const { freed } = await pool.run({ inputs: [input], outputNames: ["square"] });
    expect(input.data).toHaveLength(0);
    expect(freed.map((buffer) => [...new Float32Array(buffer)])).toEqual([[3]]);
  });

  test("half precision goes in and out as bits", async () => {
    const pool = makePool({ modelPath: testModel("identity-fp16") });
    await pool.start();
    const data = bytesOf(Uint16Array.of(0x3c00, 0xfc00, 0x7e01, 1));
    const input: Tensor = { name: "x", datatype: "FP16", shape: [4], data: data.slice() };
    const { outputs } = await pool.run({ inputs: [input], outputNames: ["y"] });
    expect(outputs[0]).toMatchObject({ datatype: "FP16", data });
  });

  test("runs in several workers at the same time", async () => {
    const pool = makePool({ workers: 2 });
    await pool.start();
    const runs = [2, 5].map((value) => pool.run({ inputs: [tensorOf("x", [], [value])], outputNames: ["square"] }));
    expect(pool.idleCount).toBe(0);
    expect(pool.readyCount).toBe(2);
    expect(pool.parallelRuns).toBe(2);
    const results = await Promise.all(runs);
    expect(results.map(({ outputs }) => numbersOf(outputs[0]))).toEqual([[4], [25]]);
    expect(pool.idleCount).toBe(2);
  });

  test("a run that fails inside the model says why, without paths, and the worker goes on", async () => {
    const pool = makePool({ modelPath: testModel("needs-77") });
    await pool.start();
    const input = (length: number) =>
      tensorOf(
        "x",
        [length],
        Array.from({ length }, () => 0),
      );
    const failing = pool.run({ inputs: [input(5)], outputNames: ["y"] });
    await expect(failing).rejects.toThrow(
      /^the model failed on this input: .*Input shape:\{5\}, requested shape:\{7,11\}$/,
    );
    await expect(failing).rejects.toThrow(/^[^/]*$/);
    await expect(failing).rejects.toThrow(ModelRunError);
    await expect(pool.run({ inputs: [input(77)], outputNames: ["y"] })).resolves.toBeDefined();
  });

  test.each([
    ["no model", new URL(import.meta.url).pathname, /Protobuf parsing failed/],
    ["no file", "/nonexistent/model.onnx", /doesn't exist/],
  ])("%s: the load is rejected with its reason", async (_name, modelPath, message) => {
    const start = makePool({ modelPath }).start();
    await expect(start).rejects.toThrow(message);
    await expect(start).rejects.toMatchObject({ code: "MODEL_INVALID", phase: "load" });
  });
});

describe("faults of a worker", () => {
  test("an error in JavaScript fails that run, and the worker is replaced", async () => {
    const { log, lines } = recordingLog();
    const pool = makePool({ script: FAULTY, log });
    await pool.start();
    await expect(pool.run(wish("throw"))).rejects.toThrow("the thread that ran the model failed; it is being replaced");
    expect(pool.readyCount).toBe(0);
    expect(pool.readiness).toEqual({ ready: false, reason: "no worker has the model loaded" });
    await vi.waitFor(() => expect(pool.readyCount).toBe(1), 5000);
    expect(pool.readiness).toEqual({ ready: true });
    await expect(pool.run(wish("anything"))).resolves.toBeDefined();
    expect(lines.map(({ message }) => message)).toContain("a model worker ended unexpectedly; replacing it");
  });

  test("workers that fail again and again make the model unready, and a run that works heals it", async () => {
    const pool = makePool({ script: FAULTY });
    const idle = { calls: 0 };
    pool.onIdle = () => {
      idle.calls += 1;
    };
    await pool.start();
    for (let failures = 1; failures <= 3; failures += 1) {
      await expect(pool.run(wish("throw"))).rejects.toMatchObject({ code: "INTERNAL" });
      await vi.waitFor(() => expect(pool.idleCount).toBe(1), 10_000);
      expect(idle.calls).toBe(1 + failures);
      expect(pool.readiness.ready).toBe(failures < 3);
    }
    expect(pool.readiness).toEqual({ ready: false, reason: "the model's workers failed 3 times in a row" });
    await pool.run(wish("anything"));
    expect(pool.readiness).toEqual({ ready: true });
  });

  test("one that fails does not take the others with it", async () => {
    const pool = makePool({ script: FAULTY, workers: 2 });
    await pool.start();
    const failing = pool.run(wish("throw"));
    await expect(pool.run(wish("anything"))).resolves.toBeDefined();
    await expect(failing).rejects.toMatchObject({ code: "INTERNAL" });
    expect(pool.readiness).toEqual({ ready: true });
  });

  test("inputs that cannot be handed over fail that run only", async () => {
    const pool = makePool({ script: FAULTY });
    await pool.start();
    const { data } = tensorOf("x", [1], [1]);
    const input = (name: string): Tensor => ({ name, datatype: "FP32", shape: [1], data });
    const twice = { inputs: [input("a"), input("b")], outputNames: ["y"] };
    await expect(pool.run(twice)).rejects.toThrow(/duplicate/i);
    expect(pool.idleCount).toBe(1);
    await expect(pool.run(wish("anything"))).resolves.toBeDefined();
  });

  test("dying while loading is a load error", async () => {
    const start = makePool({ script: FAULTY, modelPath: "dies while loading" }).start();
    await expect(start).rejects.toThrow(LoadError);
    await expect(start).rejects.toMatchObject({ code: "WORKER_FAILED", message: /no luck/ });
  });

  test("a run beyond its limit is reported", async () => {
    const stuck = Promise.withResolvers<void>();
    const pool = makePool({ script: FAULTY, runTimeoutMs: 10, onStuckRun: stuck.resolve });
    await pool.start();
    const run = pool.run(wish("block"));
    await stuck.promise;
    await run;
  });

  test("stop waits for the run in progress and replaces nobody", async () => {
    const pool = makePool({ script: FAULTY });
    await pool.start();
    const order: string[] = [];
    const run = pool.run(wish("block")).then(() => order.push("run"));
    await pool.stop().then(() => order.push("stop"));
    await run;
    expect(order).toEqual(["run", "stop"]);
    expect(pool.readyCount).toBe(0);
  });
});
