// The server's Prometheus series: the contract with whoever scales it, plus the usual figures of a Node process.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

import { LOAD_PHASES, type LoadPhase } from "./load-error.ts";

/**
 * Values of the label `protocol`: Open Inference Protocol over HTTP with JSON (`v2-rest`) or with binary tensors
 * (`v2-rest-binary`) in the request, over gRPC, and TensorFlow Serving's REST interface.
 */
export const PROTOCOLS = ["v2-rest", "v2-rest-binary", "v2-grpc", "tfs-rest"] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** HTTP statuses of inference answers that exist from the start; 499: the client left before the answer. */
const CODES = ["200", "400", "404", "413", "415", "499", "500", "503"];

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const ROWS = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/** Rarely enough that an idle replica stays idle. */
const EVENT_LOOP_SAMPLE_MS = 100;

/** Values that are read when Prometheus asks. */
export interface GaugeSources {
  readonly queueDepth: () => number;
  readonly requestsInFlight: () => number;
}

export class Metrics {
  readonly #registry = new Registry();
  readonly #received: Counter<"protocol">;
  readonly #answered: Counter<"protocol" | "code">;
  readonly #requestSeconds: Histogram;
  readonly #queueSeconds: Histogram;
  readonly #computeSeconds: Histogram;
  readonly #batchSize: Histogram;
  readonly #loadSeconds: Gauge<"phase">;

  constructor(sources: GaugeSources) {
    const registers = [this.#registry];
    const seconds = (name: string, help: string) => new Histogram({ name, help, buckets: SECONDS, registers });
    this.#received = new Counter({
      name: "plimsoll_requests_received_total",
      help: "Inference requests that arrived, answered or rejected: demand, not goodput.",
      labelNames: ["protocol"],
      registers,
    });
    this.#answered = new Counter({
      name: "plimsoll_requests_total",
      help: "Inference requests by outcome; code 499: the client left before the answer.",
      labelNames: ["protocol", "code"],
      registers,
    });
    this.#addGauge("plimsoll_queue_depth", "Inference requests accepted and not yet running.", sources.queueDepth);
    this.#addGauge(
      "plimsoll_requests_in_flight",
      "Inference requests accepted and not yet answered.",
      sources.requestsInFlight,
    );
    this.#requestSeconds = seconds(
      "plimsoll_request_duration_seconds",
      "From arrival to answer, answered requests only.",
    );
    this.#queueSeconds = seconds("plimsoll_queue_duration_seconds", "From acceptance to the start of the run.");
    this.#computeSeconds = seconds("plimsoll_compute_duration_seconds", "Time of one run inside onnxruntime.");
    this.#batchSize = new Histogram({ name: "plimsoll_batch_size", help: "Rows per run.", buckets: ROWS, registers });
    this.#loadSeconds = new Gauge({
      name: "plimsoll_model_load_seconds",
      help: `Time of each phase of the start: ${LOAD_PHASES.join(", ")}. Present once the phase is done.`,
      labelNames: ["phase"],
      registers,
    });
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: EVENT_LOOP_SAMPLE_MS });
    this.#startAtZero();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All series as Prometheus' text. */
  async render(): Promise<string> {
    return this.#registry.metrics();
  }

  requestReceived(protocol: Protocol): void {
    this.#received.inc({ protocol });
  }

  /** Once for each request received. `code`: the HTTP status, 499 when the client left. */
  requestEnded(protocol: Protocol, code: number, seconds: number): void {
    this.#answered.inc({ protocol, code: String(code) });
    // Rejections take next to no time: in the same histogram they would make an overloaded server look fast.
    if (code === 200) {
      this.#requestSeconds.observe(seconds);
    }
  }

  observeRun(run: { rows: number; queueSeconds: number; computeSeconds: number }): void {
    this.#queueSeconds.observe(run.queueSeconds);
    this.#computeSeconds.observe(run.computeSeconds);
    this.#batchSize.observe(run.rows);
  }

  observeLoad(phase: LoadPhase, seconds: number): void {
    this.#loadSeconds.set({ phase }, seconds);
  }

  #addGauge(name: string, help: string, read: () => number): void {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect: () => gauge.set(read()),
    });
  }

  /** A counter that appears only with its first request hides that request from `rate()`. */
  #startAtZero(): void {
    for (const protocol of PROTOCOLS) {
      this.#received.inc({ protocol }, 0);
      for (const code of CODES) {
        this.#answered.inc({ protocol, code }, 0);
      }
    }
  }
}
