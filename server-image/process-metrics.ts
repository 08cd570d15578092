// The Prometheus series of the whole process: how the model was loaded and is run, its load line, and Triton's names.

import { AggregatorRegistry, Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";

import { LOAD_PHASES, type LoadPhase } from "./load-error.ts";
import type { SeriesSnapshot } from "./metrics.ts";
import type { ExecutionPlan } from "./models/served-model.ts";
import type { ModelStatistics } from "./models/statistics.ts";
import type { Progress } from "./storage/transfer.ts";

export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Rarely enough that an idle replica stays idle. */
const EVENT_LOOP_SAMPLE_MS = 100;

type ModelLabel = "model" | "version";

/** What is read when Prometheus asks. */
export interface ProcessState {
  /** Undefined before the model is loaded. */
  readonly model: { readonly name: string; readonly version: string; readonly plan: ExecutionPlan } | undefined;
  readonly statistics: ModelStatistics;
  readonly pendingRequests: number;
  /** Requests per second by protocol. */
  readonly loadLine: ReadonlyMap<string, number>;
  /** True where the calibration ran out of time. */
  readonly provisional: boolean;
}

export class ProcessMetrics {
  readonly #registry = new Registry();
  readonly #loadSeconds: Gauge<"phase">;
  readonly #download: Record<"bytes" | "totalBytes", Gauge>;
  readonly #loadLine: Gauge<"protocol">;
  readonly #provisional: Gauge;
  readonly #executionProvider: Gauge<"provider">;
  readonly #plan: Record<"workers" | "threadsPerWorker" | "ioThreads" | "maxBatchSize", Gauge>;
  readonly #triton: TritonMetrics;

  constructor() {
    const registers = [this.#registry];
    this.#loadSeconds = new Gauge({
      name: "plimsoll_model_load_seconds",
      help: `Time of each phase of the start: ${LOAD_PHASES.join(", ")}. Present once the phase is done.`,
      labelNames: ["phase"],
      registers,
    });
    this.#loadLine = new Gauge({
      name: "plimsoll_load_line_requests_per_second",
      help: "What this replica takes: measured at warm-up, refined by live traffic. Absent where it is not known.",
      labelNames: ["protocol"],
      registers,
    });
    const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
    this.#download = {
      bytes: gauge("plimsoll_model_download_bytes", "Bytes of the model that have come. Absent without a download."),
      totalBytes: gauge("plimsoll_model_download_size_bytes", "Bytes that have to come. Absent while not known."),
    };
    this.#download.bytes.remove();
    this.#download.totalBytes.remove();
    this.#provisional = gauge(
      "plimsoll_calibration_provisional",
      "1 where the calibration ran out of time, so that the load line is a first guess; else 0.",
    );
    this.#executionProvider = new Gauge({
      name: "plimsoll_execution_provider_info",
      help: "1 for the execution provider of onnxruntime that runs the model.",
      labelNames: ["provider"],
      registers,
    });
    this.#plan = {
      workers: gauge("plimsoll_workers", "Copies of the model."),
      threadsPerWorker: gauge("plimsoll_threads_per_worker", "Threads of one run."),
      ioThreads: gauge("plimsoll_io_threads", "Threads that read requests and write answers."),
      maxBatchSize: gauge("plimsoll_max_batch_size", "Most rows of requests that run together."),
    };
    // prom-client begins with 0, which none of them is before the model is loaded.
    for (const unknown of [this.#provisional, ...Object.values(this.#plan)]) {
      unknown.remove();
    }
    this.#triton = new TritonMetrics(this.#registry);
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: EVENT_LOOP_SAMPLE_MS });
  }

  observeLoad(phase: LoadPhase, seconds: number): void {
    this.#loadSeconds.set({ phase }, seconds);
    if (phase === "load") {
      this.#triton.loadSeconds = seconds;
    }
  }

  observeDownload({ bytes, totalBytes }: Progress): void {
    this.#download.bytes.set(bytes);
    if (totalBytes === undefined) {
      this.#download.totalBytes.remove();
    } else {
      this.#download.totalBytes.set(totalBytes);
    }
  }

  /** All series as Prometheus' text, those of the threads added up. */
  async render(state: ProcessState, threads: readonly SeriesSnapshot[]): Promise<string> {
    this.#loadLine.reset();
    for (const [protocol, line] of state.loadLine) {
      this.#loadLine.set({ protocol }, line);
    }
    if (state.model !== undefined) {
      this.#describePlan(state.model.plan);
      this.#provisional.set(state.provisional ? 1 : 0);
      this.#triton.describe(state.model, state);
    }
    const added = AggregatorRegistry.aggregate(threads.map((snapshot) => [...snapshot]));
    const [own, others] = await Promise.all([this.#registry.metrics(), added.metrics()]);
    return `${others}${own}`;
  }

  #describePlan({ executionProvider, ...plan }: ExecutionPlan): void {
    this.#executionProvider.set({ provider: executionProvider }, 1);
    this.#plan.workers.set(plan.workers);
    this.#plan.threadsPerWorker.set(plan.threadsPerWorker);
    this.#plan.ioThreads.set(plan.ioThreads);
    this.#plan.maxBatchSize.set(plan.maxBatchSize);
  }
}

/** The same facts under the names of Triton, whose dashboards then work here. */
class TritonMetrics {
  loadSeconds: number | undefined;
  readonly #registry: Registry;
  readonly #counters = new Map<string, Counter<ModelLabel>>();
  readonly #pending: Gauge<ModelLabel>;
  readonly #load: Gauge<ModelLabel>;

  constructor(registry: Registry) {
    const registers = [registry];
    const labelNames = ["model", "version"] as const;
    this.#registry = registry;
    this.#pending = new Gauge({
      name: "nv_inference_pending_request_count",
      help: "Requests that wait for their turn.",
      labelNames,
      registers,
    });
    this.#load = new Gauge({
      name: "nv_model_load_duration_secs",
      help: "Time of loading the model.",
      labelNames,
      registers,
    });
  }

  describe({ name, version }: { name: string; version: string }, { statistics, pendingRequests }: ProcessState): void {
    const labels = { model: name, version };
    this.#pending.set(labels, pendingRequests);
    if (this.loadSeconds !== undefined) {
      this.#load.set(labels, this.loadSeconds);
    }
    const { success, fail, queue, computeInput, computeInfer, computeOutput } = statistics;
    const counts: readonly [string, string, number][] = [
      ["nv_inference_request_success", "Requests that were answered.", success.count],
      ["nv_inference_request_failure", "Requests that failed or were refused.", fail.count],
      ["nv_inference_count", "Rows inferred.", statistics.inferenceCount],
      ["nv_inference_exec_count", "Runs of the model.", statistics.executionCount],
      ["nv_inference_request_duration_us", "Microseconds from acceptance to answer.", success.ns / 1000],
      ["nv_inference_queue_duration_us", "Microseconds in the queue.", queue.ns / 1000],
      ["nv_inference_compute_input_duration_us", "Microseconds of joining inputs.", computeInput.ns / 1000],
      ["nv_inference_compute_infer_duration_us", "Microseconds of runs, for each request.", computeInfer.ns / 1000],
      ["nv_inference_compute_output_duration_us", "Microseconds of taking outputs apart.", computeOutput.ns / 1000],
    ];
    for (const [metric, help, value] of counts) {
      const counter = this.#counter(metric, help);
      counter.reset();
      counter.inc(labels, Math.round(value));
    }
  }

  #counter(name: string, help: string): Counter<ModelLabel> {
    const known = this.#counters.get(name);
    if (known !== undefined) {
      return known;
    }
    const labelNames = ["model", "version"] as const;
    const counter = new Counter({ name, help, labelNames, registers: [this.#registry] });
    this.#counters.set(name, counter);
    return counter;
  }
}
