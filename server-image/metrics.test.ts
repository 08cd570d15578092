// The series that scaling relies on: names, types, labels, and zeros from the first scrape.

import { AggregatorRegistry } from "prom-client";
import { describe, expect, test } from "vitest";

import { Metrics, PROTOCOLS } from "./metrics.ts";

/** As one thread's series look to Prometheus, added to those of others. */
async function render(...threads: Metrics[]): Promise<string[]> {
  const snapshots = await Promise.all(threads.map((metrics) => metrics.snapshot()));
  const added = AggregatorRegistry.aggregate(snapshots.map((snapshot) => [...snapshot]));
  return (await added.metrics()).split("\n");
}

function makeMetrics(queueDepth = 0, requestsInFlight = 0): Metrics {
  return new Metrics({ queueDepth: () => queueDepth, requestsInFlight: () => requestsInFlight });
}

describe("from the first scrape", () => {
  test.each([
    ["plimsoll_requests_received_total", "counter", 'plimsoll_requests_received_total{protocol="v2-rest"} 0'],
    ["plimsoll_requests_total", "counter", 'plimsoll_requests_total{protocol="v2-rest",code="200"} 0'],
    ["plimsoll_requests_total", "counter", 'plimsoll_requests_total{protocol="v2-rest",code="503"} 0'],
    ["plimsoll_queue_depth", "gauge", "plimsoll_queue_depth 0"],
    ["plimsoll_requests_in_flight", "gauge", "plimsoll_requests_in_flight 0"],
    ["plimsoll_request_duration_seconds", "histogram", "plimsoll_request_duration_seconds_count 0"],
    ["plimsoll_queue_duration_seconds", "histogram", "plimsoll_queue_duration_seconds_count 0"],
    ["plimsoll_compute_duration_seconds", "histogram", "plimsoll_compute_duration_seconds_count 0"],
    ["plimsoll_batch_size", "histogram", "plimsoll_batch_size_count 0"],
  ])("%s is a %s", async (name, type, line) => {
    const lines = await render(makeMetrics());
    expect(lines).toContain(`# TYPE ${name} ${type}`);
    expect(lines).toContain(line);
  });

  test.each(PROTOCOLS)("demand and outcomes of %s", async (protocol) => {
    const lines = await render(makeMetrics());
    expect(lines).toContain(`plimsoll_requests_received_total{protocol="${protocol}"} 0`);
    for (const code of [200, 400, 404, 413, 415, 499, 500, 503]) {
      expect(lines).toContain(`plimsoll_requests_total{protocol="${protocol}",code="${code}"} 0`);
    }
  });
});

test("gauges are read when asked", async () => {
  const lines = await render(makeMetrics(3, 5));
  expect(lines).toContain("plimsoll_queue_depth 3");
  expect(lines).toContain("plimsoll_requests_in_flight 5");
});

test("rejections count as demand and as outcome, but not in the latency", async () => {
  const metrics = makeMetrics();
  for (const [code, seconds] of [
    [200, 0.02],
    [503, 0.0001],
  ] as const) {
    metrics.requestReceived("v2-rest");
    metrics.requestEnded("v2-rest", code, seconds);
  }
  const lines = await render(metrics);
  expect(lines).toContain('plimsoll_requests_received_total{protocol="v2-rest"} 2');
  expect(lines).toContain('plimsoll_requests_total{protocol="v2-rest",code="503"} 1');
  expect(lines).toContain("plimsoll_request_duration_seconds_count 1");
  expect(lines).toContain('plimsoll_request_duration_seconds_bucket{le="0.025"} 1');
});

test("a code that is rare has its series once it was given", async () => {
  const metrics = makeMetrics();
  metrics.requestEnded("tfs-rest", 501, 0.001);
  expect(await render(metrics)).toContain('plimsoll_requests_total{protocol="tfs-rest",code="501"} 1');
});

test("answers are counted by protocol", () => {
  const metrics = makeMetrics();
  metrics.requestEnded("v2-rest", 200, 0.01);
  metrics.requestEnded("v2-rest", 503, 0.01);
  metrics.requestEnded("v2-grpc", 200, 0.01);
  metrics.requestEnded("v2-rest", 200, 0.01);
  expect(PROTOCOLS.map((protocol) => metrics.answered(protocol))).toEqual([2, 0, 1, 0]);
});

test("several threads add up, gauges too", async () => {
  const threads = [makeMetrics(3, 5), makeMetrics(1, 2)];
  for (const [index, metrics] of threads.entries()) {
    metrics.requestReceived("v2-rest");
    metrics.requestEnded("v2-rest", 200, index + 0.2);
    metrics.observeRun({ rows: 2, computeSeconds: 0.25 });
  }
  const lines = await render(...threads);
  expect(lines).toContain("plimsoll_queue_depth 4");
  expect(lines).toContain("plimsoll_requests_in_flight 7");
  expect(lines).toContain('plimsoll_requests_total{protocol="v2-rest",code="200"} 2');
  expect(lines).toContain("plimsoll_batch_size_sum 4");
  expect(lines).toContain('plimsoll_request_duration_seconds_bucket{le="0.25"} 1');
  expect(lines).toContain('plimsoll_request_duration_seconds_bucket{le="+Inf"} 2');
  expect(lines.filter((line) => line.startsWith("# TYPE plimsoll_queue_depth "))).toHaveLength(1);
});

test("runs and waits", async () => {
  const metrics = makeMetrics();
  metrics.observeRun({ rows: 4, computeSeconds: 0.03 });
  metrics.observeQueue(0.5);
  const lines = await render(metrics);
  expect(lines).toContain("plimsoll_batch_size_sum 4");
  expect(lines).toContain("plimsoll_queue_duration_seconds_sum 0.5");
  expect(lines).toContain("plimsoll_compute_duration_seconds_sum 0.03");
});
