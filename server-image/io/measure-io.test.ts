// What requests cost the I/O: every protocol that can carry the model's inputs is measured with real connections.

import { describe, expect, test, vi } from "vitest";

import type { ExecutionPlan } from "../models/served-model.ts";
import type { Datatype, TensorSpec } from "../tensors/datatypes.ts";
import { measureIo } from "./measure-io.ts";
import { startProbeClient } from "./probe-client.ts";
import { cpuSecondsOfThisProcess, makeMeasureOptions, makeProbe } from "./test-probe.ts";

vi.setConfig({ testTimeout: 30_000 });

const ALL = ["tfs-rest", "v2-grpc", "v2-rest", "v2-rest-binary"];

interface Setting {
  readonly inputs: readonly TensorSpec[];
  readonly plan?: Partial<ExecutionPlan>;
  readonly maxBodyBytes?: number;
  readonly run?: () => Promise<never>;
  /** Called before and after each stretch of requests. */
  readonly cpuSeconds?: () => number;
  readonly clock?: () => number;
  readonly budgetMs?: number;
}

/** Costs and what was logged, for a model whose outputs are its inputs. */
async function measure({ budgetMs = 100, maxBodyBytes = 1024 ** 2, ...setting }: Setting) {
  const { clock = () => performance.now(), cpuSeconds = cpuSecondsOfThisProcess, ...model } = setting;
  const { options, lines } = makeMeasureOptions({ clock, cpuSeconds, maxBodyBytes });
  const client = startProbeClient();
  const probe = makeProbe({ ...model, deadlineMs: clock() + budgetMs });
  try {
    const costs = await measureIo(probe, client, options);
    const warnings = lines.filter(({ level }) => level === "warn").map(({ fields }) => String(fields["protocol"]));
    return { costs, warnings };
  } finally {
    await client.end();
  }
}

const input = (datatype: Datatype, ...shape: number[]): TensorSpec => ({ name: `the "${datatype}"`, datatype, shape });

describe("measured, each with a cost above zero and below a tenth of a second", () => {
  const CASES: Record<string, [Setting, readonly string[]]> = {
    "numbers: every protocol": [{ inputs: [input("FP32", -1, 3)] }, ALL],
    "several inputs, a scalar among them": [{ inputs: [input("FP32", -1, 3), input("INT64"), input("BOOL", 2)] }, ALL],
    "half precision: what has a binary form": [{ inputs: [input("FP16", -1, 3)] }, ["v2-grpc", "v2-rest-binary"]],
    "texts: what has JSON": [{ inputs: [input("BYTES", -1, 3)] }, ["tfs-rest", "v2-rest"]],
    "a model that runs on this thread": [{ inputs: [input("FP32", -1, 3)], plan: { inline: true } }, ALL],
    "a model whose requests are not joined": [{ inputs: [input("FP32", 1, 3)], plan: { batchable: false } }, ALL],
    "inputs near the largest body, of which only two are held at a time": [
      { inputs: [input("UINT8", 1, 60_000)], maxBodyBytes: 130_000 },
      ALL,
    ],
  };
  test.each(Object.entries(CASES))("%s", async (_name, [setting, protocols]) => {
    const { costs, warnings } = await measure(setting);
    expect(warnings).toEqual([]);
    expect(Object.keys(costs).toSorted()).toEqual(protocols);
    for (const [protocol, seconds] of Object.entries(costs)) {
      expect(seconds, protocol).toBeGreaterThan(0);
      expect(seconds, protocol).toBeLessThan(0.1);
    }
  });
});

test("connections that the server ends meanwhile do not hold it up: what was measured before counts", async () => {
  // Time stands still for the first round of all protocols; then it runs, and connections get too old.
  let readings = 0;
  const cpuSeconds = () => {
    readings += 1;
    return cpuSecondsOfThisProcess();
  };
  const clock = () => Math.max(0, readings - 2 * ALL.length) * 10_000;
  const { costs } = await measure({ inputs: [input("FP32", -1, 3)], cpuSeconds, clock, budgetMs: 10_000_000 });
  expect(Object.keys(costs).toSorted()).toEqual(ALL);
});

test("requests that fail give no cost, and a warning for each protocol", async () => {
  const fails = () => Promise.reject(new Error("no"));
  const { costs, warnings } = await measure({ inputs: [input("FP32", -1, 3)], plan: { inline: true }, run: fails });
  expect(costs).toEqual({});
  expect(warnings.toSorted()).toEqual(ALL);
});

test("inputs beyond the largest body give no cost where they do not fit", async () => {
  const { costs, warnings } = await measure({ inputs: [input("UINT8", 1, 60_000)], maxBodyBytes: 70_000 });
  expect(Object.keys(costs).toSorted()).toEqual(["v2-grpc", "v2-rest-binary"]);
  expect(warnings.toSorted()).toEqual(["tfs-rest", "v2-rest"]);
});

test("without any time each protocol is measured once", async () => {
  let readings = 0;
  const cpuSeconds = () => {
    readings += 1;
    return cpuSecondsOfThisProcess();
  };
  const { costs } = await measure({ inputs: [input("FP32", -1, 3)], budgetMs: -5000, cpuSeconds });
  expect(Object.keys(costs).toSorted()).toEqual(ALL);
  expect(readings).toBe(2 * ALL.length);
});
