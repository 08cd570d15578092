// Names of the field for what the field knows, our prefix for the rest; and the page that lists them all.

import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { controllerMetrics, type MetricDefinition } from "../kube/metrics.ts";
import { operatorMetrics } from "./operator-metrics.ts";

const definitions: [string, MetricDefinition][] = Object.entries(operatorMetrics);

test("docs/metrics.md lists exactly these metrics, with type, labels and meaning", async () => {
  const page = await readFile(new URL("../../docs/metrics.md", import.meta.url), "utf8");
  const listed = page.split("\n").filter((line) => line.startsWith("| `"));
  const expected = definitions.map(([name, { type, labels, help }]) =>
    `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(", ")} | ${help} |`.replace("|  |", "| |"),
  );
  expect(listed.toSorted()).toEqual(expected.toSorted());
});

test("a name has the prefix of the component that the field knows it from, or ours", () => {
  const known = /^(controller_runtime|workqueue|reflector|rest_client|leader_election)_/;
  for (const name of Object.keys(controllerMetrics)) expect(name).toMatch(known);
  const own = definitions.map(([name]) => name).filter((name) => !known.test(name));
  for (const name of own) expect(name).toMatch(/^plimsoll_operator_/);
});

test("a counter ends in _total, and nothing else does", () => {
  for (const [name, { type }] of definitions)
    expect([name, name.endsWith("_total")]).toEqual([name, type === "counter"]);
});

test("bounds of histograms rise", () => {
  for (const [, { buckets = [] }] of definitions) expect(buckets).toEqual(buckets.toSorted((a, b) => a - b));
});
