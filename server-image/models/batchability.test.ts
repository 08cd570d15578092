// The proof that requests may be joined, on real models: some that may, and some that only look like it.

import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { bytesOf, type Tensor, type TensorSpec, typedView } from "../tensors/datatypes.ts";
import { ocrModel, testModel } from "../test-server.ts";
import { takeRows } from "./batch.ts";
import { type RunOnce, whyNotBatchable } from "./batchability.ts";
import { toTensorSpec } from "./metadata.ts";
import { toRuntimeTensor, toTensor } from "./runner.ts";
import type { openSession } from "./runtime.ts";
import { candidateShapes } from "./sample-inputs.ts";

let open: typeof openSession;

beforeAll(async () => {
  ({ openSession: open } = await import("./runtime.ts"));
});

function load(modelPath: string) {
  const session = open({ modelPath, threads: 1, executionProvider: "cpu" });
  const inputs = session.inputs.map((value) => toTensorSpec(value, "input"));
  const outputs = session.outputs.map((value) => toTensorSpec(value, "output"));
  const names = outputs.map(({ name }) => name);
  const run: RunOnce = async (tensors) => session.run(tensors.map(toRuntimeTensor), names).map(toTensor);
  return { inputs, outputs, run };
}

/** At the first shapes that the model takes. */
async function prove(modelPath: string): Promise<string | undefined> {
  const { inputs, outputs, run } = load(modelPath);
  const [shapes = []] = candidateShapes(inputs);
  return whyNotBatchable({ inputs, outputs }, shapes, run, Math.random);
}

const MAY_BE_JOINED = [
  "identity-rows",
  "identity-fp16",
  "identity-bytes",
  "identity-int64",
  "scale-rows",
  "lookup",
  "divide",
];
test.each(MAY_BE_JOINED)("may be joined: %s", async (name) => {
  expect(await prove(testModel(name))).toBeUndefined();
});

test("may be joined: a trained model, whose rounding depends on the batch", async () => {
  expect(await prove(ocrModel("ch_ppocr_mobile_v2.0_cls_infer"))).toBeUndefined();
});

const MAY_NOT: [string, string | RegExp][] = [
  ["add-sub", 'the first dimension of "INPUT0" does not vary'],
  ["scalar", 'the first dimension of "x" does not vary'],
  ["constant", "it has no inputs"],
  ["needs-77", 'the first dimension of "y" does not vary'],
  ["mean-rows", 'output "y" of a row depends on the rows beside it'],
  ["running-sum", 'output "y" of a row depends on the rows beside it'],
  ["doubled-rows", 'output "y" has 6 rows for 3 rows of inputs'],
];
test.each(MAY_NOT)("may not: %s", async (name, reason) => {
  expect(await prove(testModel(name))).toMatch(reason);
});

describe("made-up models", () => {
  const SPECS: TensorSpec[] = [{ name: "x", datatype: "FP32", shape: [-1, 2] }];
  const outputs: TensorSpec[] = [{ name: "y", datatype: "FP32", shape: [-1, 2] }];

  const proveRun = (run: RunOnce) => whyNotBatchable({ inputs: SPECS, outputs }, [[1, 2]], run, Math.random);

  function numbers([x]: readonly Tensor[], change: (value: number, index: number) => number): Tensor[] {
    const { shape = [], data = [] } = x ?? {};
    return [{ name: "y", datatype: "FP32", shape, data: bytesOf(typedView("FP32", data as Uint8Array).map(change)) }];
  }

  test("one that refuses more than one row says why", async () => {
    const reason = await proveRun(async (inputs) => {
      if (inputs[0]?.shape[0] !== 1) {
        throw new Error("only one");
      }
      return numbers(inputs, (value) => value);
    });
    expect(reason).toBe("it refuses 3 rows: only one");
  });

  test("one that fails on a single row is an error, not a proof", async () => {
    const result = proveRun(async (inputs) => {
      if (inputs[0]?.shape[0] === 1) {
        throw new Error("not one");
      }
      return numbers(inputs, (value) => value);
    });
    await expect(result).rejects.toThrow("not one");
  });

  test("one whose second row looks at the first", async () => {
    const reason = await proveRun(async (inputs) => {
      const all = typedView("FP32", inputs[0]?.data as Uint8Array);
      return numbers(inputs, (value, index) => (index >= 2 && index < 4 ? value + (all[0] ?? 0) : value));
    });
    expect(reason).toBe('output "y" of a row depends on the rows beside it');
  });

  test("runs may take the memory of their inputs away", async () => {
    const reason = await proveRun(async (inputs) => {
      const result = numbers(inputs, (value) => value * 2);
      for (const { data } of inputs) {
        const { buffer } = data as Uint8Array<ArrayBuffer>;
        structuredClone(buffer, { transfer: [buffer] });
      }
      return result;
    });
    expect(reason).toBeUndefined();
  });

  test("whatever a row gives alone: it may be joined where that is all that counts", async () => {
    const factors = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 2, maxLength: 2 });
    await fc.assert(
      fc.asyncProperty(factors, async (byColumn) => {
        const reason = await proveRun(async (inputs) =>
          numbers(inputs, (value, index) => value * (byColumn[index % 2] ?? 0)),
        );
        expect(reason).toBeUndefined();
      }),
    );
  });
});

describe("the sample has rows that differ, else a model that mixes them would pass", () => {
  test.each(["identity-rows", "identity-bool", "identity-int64", "identity-bytes"])("%s", async (name) => {
    const { inputs, outputs, run } = load(testModel(name));
    const [shapes = []] = candidateShapes(inputs);
    for (let attempt = 0; attempt < 30; attempt += 1) {
      const seen: Tensor[] = [];
      const spy: RunOnce = async (tensors) => {
        seen.push(...tensors);
        return run(tensors);
      };
      expect(await whyNotBatchable({ inputs, outputs }, shapes, spy, Math.random)).toBeUndefined();
      const rows = [0, 1, 2].map((row) => takeRows(seen[0] as Tensor, row, 1).data.join());
      expect(new Set(rows).size).toBeGreaterThan(1);
    }
  });

  test("a draw that never differs does not take for ever", async () => {
    const { inputs, outputs, run } = load(testModel("identity-bool"));
    expect(await whyNotBatchable({ inputs, outputs }, [[1]], run, () => 0.25)).toBeUndefined();
  });
});
