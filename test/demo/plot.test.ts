// Tests that the plot and the manifest fit together.

import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { plotOf } from "./plot.ts";

const manifest = await readFile(new URL("inference-service.yaml", import.meta.url), "utf8");

test("the tenfold load needs four to six replicas, no more than the manifest allows, and the usual load one", () => {
  const plot = plotOf(manifest);
  const { maxReplicas } = (parse(manifest) as { spec: { predictor: { maxReplicas: number } } }).spec.predictor;
  expect(plot.risenPerSecond).toBeCloseTo(10 * plot.usualPerSecond);
  expect(plot.neededReplicas).toBeGreaterThanOrEqual(4);
  expect(plot.neededReplicas).toBeLessThanOrEqual(maxReplicas);
  expect(plotOf(manifest.replace(/RequestRate, target: \d+/, "RequestRate, target: 7")).neededReplicas).toBe(3);
});

test("a manifest without a request rate is an error that says what is missing", () => {
  expect(() => plotOf(manifest.replace("RequestRate", "SomethingElse"))).toThrow("needs a metric RequestRate");
});
