// The series that scaling relies on: names, types, labels, and zeros from the first scrape.

import { describe, expect, test } from "vitest";

import { Metrics } from "./metrics.ts";

async function render(metrics: Metrics): Promise<string[]> {
  return (await metrics.render()).split("\n");
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

  test("the usual figures of a process", async () => {
    expect((await render(makeMetrics())).some((line) => line.startsWith("process_resident_memory_bytes "))).toBe(true);
  });

  test("no load line: it is measured or not there", async () => {
    expect((await makeMetrics().render()).includes("load_line")).toBe(false);
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

test("runs and load phases", async () => {
  const metrics = makeMetrics();
  metrics.observeRun({ rows: 4, queueSeconds: 0.5, computeSeconds: 0.03 });
  metrics.observeLoad("warm-up", 1.5);
  const lines = await render(metrics);
  expect(lines).toContain("plimsoll_batch_size_sum 4");
  expect(lines).toContain("plimsoll_queue_duration_seconds_sum 0.5");
  expect(lines).toContain("plimsoll_compute_duration_seconds_sum 0.03");
  expect(lines).toContain('plimsoll_model_load_seconds{phase="warm-up"} 1.5');
});
