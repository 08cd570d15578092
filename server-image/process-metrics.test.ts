// The series of the whole process: absent while unknown, then as the model is run; Triton's names beside ours.

import { describe, expect, test } from "vitest";

import { Metrics } from "./metrics.ts";
import { StatisticsRecorder } from "./models/statistics.ts";
import { ProcessMetrics, type ProcessState } from "./process-metrics.ts";

const NOT_LOADED: ProcessState = {
  model: undefined,
  statistics: new StatisticsRecorder().snapshot(),
  pendingRequests: 0,
  loadLine: new Map(),
  provisional: false,
};

const LOADED: ProcessState = {
  ...NOT_LOADED,
  model: {
    name: "m",
    version: "3",
    plan: {
      executionProvider: "cpu",
      workers: 2,
      threadsPerWorker: 4,
      inline: false,
      ioThreads: 1,
      batchable: true,
      maxBatchSize: 16,
      batchDelayMs: 0,
    },
  },
};

async function render(metrics: ProcessMetrics, state: ProcessState): Promise<string[]> {
  return (await metrics.render(state, [])).split("\n");
}

describe("before the model is loaded", () => {
  test.each([
    "plimsoll_model_load_seconds",
    "plimsoll_load_line_requests_per_second",
    "plimsoll_calibration_provisional",
    "plimsoll_execution_provider_info",
    "plimsoll_workers",
    "plimsoll_threads_per_worker",
    "plimsoll_io_threads",
    "plimsoll_max_batch_size",
    "plimsoll_model_download_bytes",
    "plimsoll_model_download_size_bytes",
    "nv_inference_count",
    "nv_inference_pending_request_count",
    "nv_model_load_duration_secs",
  ])("%s is not there: unknown is not 0", async (name) => {
    const lines = await render(new ProcessMetrics(), NOT_LOADED);
    expect(lines.filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))).toEqual([]);
  });

  test("the usual figures of a process are", async () => {
    const lines = await render(new ProcessMetrics(), NOT_LOADED);
    expect(lines.some((line) => /^process_resident_memory_bytes \d/.test(line))).toBe(true);
  });
});

test("phases of the load, each once it is done", async () => {
  const metrics = new ProcessMetrics();
  metrics.observeLoad("warm-up", 1.5);
  const lines = await render(metrics, NOT_LOADED);
  expect(lines).toContain('plimsoll_model_load_seconds{phase="warm-up"} 1.5');
  expect(lines.filter((line) => line.startsWith("plimsoll_model_load_seconds{"))).toHaveLength(1);
});

test("the download, its size where it is known", async () => {
  const metrics = new ProcessMetrics();
  metrics.observeDownload({ bytes: 10, totalBytes: undefined });
  let lines = await render(metrics, NOT_LOADED);
  expect(lines).toContain("plimsoll_model_download_bytes 10");
  expect(lines.some((line) => line.startsWith("plimsoll_model_download_size_bytes "))).toBe(false);
  metrics.observeDownload({ bytes: 20, totalBytes: 30 });
  lines = await render(metrics, NOT_LOADED);
  expect(lines).toContain("plimsoll_model_download_bytes 20");
  expect(lines).toContain("plimsoll_model_download_size_bytes 30");
});

test("how the model is run", async () => {
  const lines = await render(new ProcessMetrics(), { ...LOADED, provisional: true });
  for (const line of [
    "plimsoll_workers 2",
    "plimsoll_threads_per_worker 4",
    "plimsoll_io_threads 1",
    "plimsoll_max_batch_size 16",
    "plimsoll_calibration_provisional 1",
    'plimsoll_execution_provider_info{provider="cpu"} 1',
  ]) {
    expect(lines).toContain(line);
  }
});

test("the load line of each protocol that has one, as it is now", async () => {
  const metrics = new ProcessMetrics();
  const loadLine = new Map([
    ["v2-rest", 100.5],
    ["v2-grpc", 50],
  ]);
  const series = async () =>
    (await render(metrics, { ...LOADED, loadLine })).filter((line) => line.startsWith("plimsoll_load_line"));
  expect(await series()).toEqual([
    'plimsoll_load_line_requests_per_second{protocol="v2-rest"} 100.5',
    'plimsoll_load_line_requests_per_second{protocol="v2-grpc"} 50',
  ]);
  loadLine.delete("v2-grpc");
  loadLine.set("v2-rest", 90);
  expect(await series()).toEqual(['plimsoll_load_line_requests_per_second{protocol="v2-rest"} 90']);
});

test("Triton's names say the same, and counters only grow", async () => {
  const metrics = new ProcessMetrics();
  metrics.observeLoad("load", 2.5);
  const recorder = new StatisticsRecorder();
  const observe = () => {
    recorder.queued(1);
    recorder.ran({ inputMs: 1, inferMs: 10, outputMs: 2, rows: 4, requests: 3, wallClockMs: 1 });
    recorder.succeeded(20);
    recorder.failed(0.5);
  };
  for (let round = 1; round <= 2; round += 1) {
    observe();
    const lines = await render(metrics, { ...LOADED, statistics: recorder.snapshot(), pendingRequests: 5 });
    const series: Record<string, number> = {
      nv_inference_request_success: round,
      nv_inference_request_failure: round,
      nv_inference_count: 4 * round,
      nv_inference_exec_count: round,
      nv_inference_request_duration_us: 20_000 * round,
      nv_inference_queue_duration_us: 1000 * round,
      nv_inference_compute_input_duration_us: 3000 * round,
      nv_inference_compute_infer_duration_us: 30_000 * round,
      nv_inference_compute_output_duration_us: 6000 * round,
      nv_inference_pending_request_count: 5,
      nv_model_load_duration_secs: 2.5,
    };
    for (const [name, value] of Object.entries(series)) {
      expect(lines).toContain(`${name}{model="m",version="3"} ${value}`);
    }
  }
});

test("the threads' series stand in the same text, once each", async () => {
  const threads = [1, 2].map((depth) => new Metrics({ queueDepth: () => depth, requestsInFlight: () => depth }));
  const snapshots = await Promise.all(threads.map((metrics) => metrics.snapshot()));
  const lines = (await new ProcessMetrics().render(LOADED, snapshots)).split("\n");
  expect(lines).toContain("plimsoll_queue_depth 3");
  expect(lines).toContain("plimsoll_workers 2");
  const types = lines.filter((line) => line.startsWith("# TYPE "));
  expect(new Set(types).size).toBe(types.length);
});
