// What is measured of the I/O in the time that there is: workers and I/O together only where there is enough of it.

import { describe, expect, test, vi } from "vitest";

import type { ExecutionPlan } from "../models/served-model.ts";
import type { TensorSpec } from "../tensors/datatypes.ts";
import { measureAll } from "./measure-all.ts";
import { echo, makeMeasureOptions, makeProbe } from "./test-probe.ts";

vi.setConfig({ testTimeout: 30_000 });

const NUMBERS: TensorSpec = { name: "x", datatype: "FP32", shape: [-1, 3] };
const HALVES: TensorSpec = { name: "x", datatype: "FP16", shape: [-1, 3] };

interface Setting {
  readonly budgetMs: number;
  readonly plan?: Partial<ExecutionPlan>;
  readonly rowsPerSecond?: number | undefined;
  readonly inputs?: readonly TensorSpec[];
  readonly run?: typeof echo;
}

/** Of a model of 10,000 rows per second, to begin with. */
async function measure({ budgetMs, plan = {}, inputs = [NUMBERS], run = echo, ...rest }: Setting) {
  const { options } = makeMeasureOptions();
  const rowsPerSecond = "rowsPerSecond" in rest ? rest.rowsPerSecond : 10_000;
  const probe = makeProbe({
    inputs,
    plan: { batchDelayMs: 0, ...plan },
    run,
    deadlineMs: options.clock() + budgetMs,
    ...(rowsPerSecond === undefined ? {} : { rowsPerSecond }),
  });
  return measureAll(probe, options);
}

describe("together are measured", () => {
  const CASES: Record<string, [Setting, readonly string[]]> = {
    "both forms of a request, where there is time": [{ budgetMs: 6000 }, ["v2-rest", "v2-rest-binary"]],
    "what the model's inputs allow": [{ budgetMs: 6000, inputs: [HALVES] }, ["v2-rest-binary"]],
    "none without time": [{ budgetMs: 0 }, []],
    "none where nothing is known of the model's runs": [{ budgetMs: 6000, rowsPerSecond: undefined }, []],
    "none where the I/O threads run the model": [{ budgetMs: 300, plan: { inline: true } }, []],
    "none of requests that fail": [{ budgetMs: 6000, run: () => Promise.reject(new Error("no")) }, []],
  };
  test.each(Object.entries(CASES))("%s", async (_name, [setting, expected]) => {
    const { ioCpuSeconds, saturation = {} } = await measure(setting);
    expect(Object.keys(saturation).toSorted()).toEqual(expected);
    for (const [protocol, perSecond] of Object.entries(saturation)) {
      expect(perSecond, protocol).toBeGreaterThan(0);
    }
    expect(Object.keys(ioCpuSeconds)).toContain("v2-rest-binary");
  });
});

test("what is answered per second does not exceed what the model gives, but for what the client took", async () => {
  const RUN_MS = 20;
  // One run at a time, each of one row: 50 a second.
  let last: Promise<unknown> = Promise.resolve();
  const run: typeof echo = (request) => {
    const turn = last.then(() => new Promise((resolve) => setTimeout(resolve, RUN_MS)));
    last = turn;
    return turn.then(() => echo(request));
  };
  const plan = { maxBatchSize: 1, batchable: false };
  const { saturation = {} } = await measure({ budgetMs: 8000, rowsPerSecond: 1000 / RUN_MS, plan, run });
  expect(saturation["v2-rest-binary"]).toBeGreaterThan(5);
  // On one CPU the client may have taken four fifths of it, of which more is not believed.
  expect(saturation["v2-rest-binary"]).toBeLessThan(5 * (1000 / RUN_MS) * 1.1);
});
