// Figures taken by name: what Prometheus then reads, and that a wrong name is noticed at once.

import { Registry } from "prom-client";
import { beforeEach, expect, test } from "vitest";
import { createRecorder, createRegistry, type MetricDefinition, type MetricRecorder } from "./metrics.ts";

const definitions = {
  plimsoll_reconciles_total: { type: "counter", help: "Reconciles.", labels: ["result"] },
  plimsoll_queue_depth: { type: "gauge", help: "Keys that wait.", labels: [] },
  plimsoll_reconcile_duration_seconds: { type: "histogram", help: "Seconds of a reconcile.", labels: ["controller"] },
} as const satisfies Record<string, MetricDefinition>;

let registry: Registry;
let recorder: MetricRecorder;

beforeEach(() => {
  registry = new Registry();
  recorder = createRecorder(registry, definitions);
});

test("counts add up, per label, under the full name", async () => {
  recorder.count("plimsoll_reconciles_total", { result: "success" }, 1);
  recorder.count("plimsoll_reconciles_total", { result: "success" }, 2);
  recorder.count("plimsoll_reconciles_total", { result: "error" }, 1);
  const text = await registry.metrics();
  expect(text).toContain('plimsoll_reconciles_total{result="success"} 3\n');
  expect(text).toContain('plimsoll_reconciles_total{result="error"} 1\n');
});

test("a count of 0 shows the series before anything happened", async () => {
  recorder.count("plimsoll_reconciles_total", { result: "error" }, 0);
  expect(await registry.metrics()).toContain('plimsoll_reconciles_total{result="error"} 0\n');
});

test("a gauge is what it was last set to", async () => {
  recorder.set("plimsoll_queue_depth", {}, 7);
  recorder.set("plimsoll_queue_depth", {}, 2);
  expect(await registry.metrics()).toContain("plimsoll_queue_depth 2\n");
});

test("durations fall into buckets from a millisecond to a minute", async () => {
  recorder.observe("plimsoll_reconcile_duration_seconds", { controller: "inferenceservice" }, 0.0005);
  recorder.observe("plimsoll_reconcile_duration_seconds", { controller: "inferenceservice" }, 59);
  recorder.observe("plimsoll_reconcile_duration_seconds", { controller: "inferenceservice" }, 300);
  const text = await registry.metrics();
  const series = "plimsoll_reconcile_duration_seconds";
  expect(text).toContain(`${series}_bucket{le="0.001",controller="inferenceservice"} 1\n`);
  expect(text).toContain(`${series}_bucket{le="60",controller="inferenceservice"} 2\n`);
  expect(text).toContain(`${series}_bucket{le="+Inf",controller="inferenceservice"} 3\n`);
});

test("a summary has a sum and a count", async () => {
  const lists = createRecorder(registry, { lists: { type: "summary", help: "Lists.", labels: ["name"] } });
  lists.observe("lists", { name: "pods" }, 3);
  lists.observe("lists", { name: "pods" }, 4);
  expect(await registry.metrics()).toContain('lists_sum{name="pods"} 7\nlists_count{name="pods"} 2\n');
});

test("a tracked gauge is read at each scrape, each of its series", async () => {
  let seconds = 1;
  recorder.track("plimsoll_queue_depth", {}, () => seconds);
  expect(await registry.metrics()).toContain("plimsoll_queue_depth 1\n");
  seconds = 5;
  expect(await registry.metrics()).toContain("plimsoll_queue_depth 5\n");
});

test("bounds of a histogram may be its own", async () => {
  const own = { type: "histogram", help: "Own.", labels: [], buckets: [2] } as const;
  createRecorder(registry, { own }).observe("own", {}, 1);
  expect(await registry.metrics()).toContain('own_bucket{le="2"} 1\nown_bucket{le="+Inf"} 1\n');
});

test("help and type stand beside each metric", async () => {
  expect(await registry.metrics()).toContain(
    "# HELP plimsoll_queue_depth Keys that wait.\n# TYPE plimsoll_queue_depth gauge\n",
  );
});

test.each<[string, (to: MetricRecorder) => void]>([
  ["a name that nobody registered", (to) => to.count("typos_total", {}, 1)],
  ["a gauge that is counted", (to) => to.count("plimsoll_queue_depth", {}, 1)],
  ["a counter that is set", (to) => to.set("plimsoll_reconciles_total", { result: "success" }, 1)],
  ["a counter that is observed", (to) => to.observe("plimsoll_reconciles_total", { result: "success" }, 1)],
])("%s is a mistake in the program and throws", (_sentence, record) => {
  expect(() => record(recorder)).toThrow(/no metric \w+ is registered with this type/);
});

test("a label that was not registered throws", () => {
  expect(() => recorder.count("plimsoll_reconciles_total", { outcome: "success" }, 1)).toThrow(/outcome/);
});

test("two parts of the program share a registry, and two registries share nothing", async () => {
  createRecorder(registry, { plimsoll_other: { type: "gauge", help: "Other.", labels: [] } }).set(
    "plimsoll_other",
    {},
    1,
  );
  expect(await registry.metrics()).toContain("plimsoll_other 1\n");
  expect(await new Registry().metrics()).toBe("\n");
});

test("the same name registered twice throws", () => {
  expect(() => createRecorder(registry, definitions)).toThrow(/already been registered/);
});

test("a new registry holds the figures of the process", async () => {
  const text = await createRegistry().metrics();
  expect(text).toContain("process_resident_memory_bytes");
  expect(text).toContain("nodejs_eventloop_lag_seconds");
});
