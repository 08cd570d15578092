// The Prometheus series of requests and runs, kept by each thread that does I/O: the contract with whoever scales the server.

import { Gauge, type MetricObjectWithValues, type MetricValue, Registry } from "prom-client";

import { TallyCounter, TallyHistogram } from "./tally.ts";

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

/** Values that are read when Prometheus asks. */
export interface GaugeSources {
  readonly queueDepth: () => number;
  readonly requestsInFlight: () => number;
}

/** The series of one thread, as they travel to the one that answers Prometheus. */
export type SeriesSnapshot = readonly MetricObjectWithValues<MetricValue<string>>[];

interface Outcomes {
  readonly received: { count: number };
  readonly ok: { count: number };
}

export class Metrics {
  readonly #registry = new Registry();
  readonly #answered: TallyCounter<"protocol" | "code">;
  readonly #byProtocol: ReadonlyMap<Protocol, Outcomes>;
  readonly #requestSeconds: TallyHistogram;
  readonly #queueSeconds: TallyHistogram;
  readonly #computeSeconds: TallyHistogram;
  readonly #batchSize: TallyHistogram;

  constructor(sources: GaugeSources) {
    const registry = this.#registry;
    const seconds = (name: string, help: string) => new TallyHistogram({ name, help, registry }, SECONDS);
    const received = new TallyCounter(
      {
        name: "plimsoll_requests_received_total",
        help: "Inference requests that arrived, answered or rejected: demand, not goodput.",
        registry,
      },
      ["protocol"],
    );
    this.#answered = new TallyCounter(
      {
        name: "plimsoll_requests_total",
        help: "Inference requests by outcome; code 499: the client left before the answer.",
        registry,
      },
      ["protocol", "code"],
    );
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
    this.#batchSize = new TallyHistogram({ name: "plimsoll_batch_size", help: "Rows per run.", registry }, ROWS);
    // A counter that appears only with its first request hides that request from `rate()`.
    this.#byProtocol = new Map(
      PROTOCOLS.map((protocol) => {
        for (const code of CODES) {
          this.#answered.series(protocol, code);
        }
        return [protocol, { received: received.series(protocol), ok: this.#answered.series(protocol, "200") }];
      }),
    );
  }

  /** All series, to be added to those of other threads. */
  async snapshot(): Promise<SeriesSnapshot> {
    return this.#registry.getMetricsAsJSON();
  }

  /** Inference requests of a protocol that were answered 200 so far. */
  answered(protocol: Protocol): number {
    return this.#outcomes(protocol).ok.count;
  }

  requestReceived(protocol: Protocol): void {
    this.#outcomes(protocol).received.count += 1;
  }

  /** Once for each request received. `code`: the HTTP status, 499 when the client left. */
  requestEnded(protocol: Protocol, code: number, seconds: number): void {
    if (code === 200) {
      this.#outcomes(protocol).ok.count += 1;
      // Rejections take next to no time: in the same histogram they would make an overloaded server look fast.
      this.#requestSeconds.observe(seconds);
    } else {
      this.#answered.series(protocol, String(code)).count += 1;
    }
  }

  observeQueue(seconds: number): void {
    this.#queueSeconds.observe(seconds);
  }

  observeRun(run: { rows: number; computeSeconds: number }): void {
    this.#computeSeconds.observe(run.computeSeconds);
    this.#batchSize.observe(run.rows);
  }

  #outcomes(protocol: Protocol): Outcomes {
    // Every protocol has its series from the start.
    return this.#byProtocol.get(protocol) as Outcomes;
  }

  #addGauge(name: string, help: string, read: () => number): void {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect: () => gauge.set(read()),
    });
  }
}
