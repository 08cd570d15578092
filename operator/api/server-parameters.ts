// What may be set of the inference server for one model: each field is one of its flags.

import { z } from "zod";

const measured = "Default: measured when the model is loaded.";

/** Field -> flag of the bundled inference server. */
export const serverFlags = {
  workers: "--workers",
  threadsPerWorker: "--threads-per-worker",
  maxBatchSize: "--max-batch-size",
  maxBatchDelayMilliseconds: "--max-batch-delay-ms",
  calibrationSeconds: "--calibration-seconds",
  maxQueueLength: "--max-queue-length",
  maxExpectedWaitMilliseconds: "--max-expected-wait-ms",
  requestTimeoutSeconds: "--request-timeout-seconds",
  runTimeoutSeconds: "--run-timeout-seconds",
  maxBodyBytes: "--max-body-bytes",
  logLevel: "--log-level",
} as const satisfies Record<keyof ServerParameters, string>;

export const serverParameters = z.object({
  workers: z
    .int()
    .min(1)
    .max(256)
    .optional()
    .describe(`Number of copies of the model in one pod, each run by a thread of its own, e.g. 2. ${measured}`),
  threadsPerWorker: z
    .int()
    .min(1)
    .max(256)
    .optional()
    .describe(`Number of threads of one run of the model, e.g. 4. ${measured}`),
  maxBatchSize: z
    .int()
    .min(1)
    .max(65_536)
    .optional()
    .describe(`Most rows of requests that run together, e.g. 16; 1: requests run one by one. ${measured}`),
  maxBatchDelayMilliseconds: z
    .int()
    .min(0)
    .max(3_600_000)
    .optional()
    .describe("Milliseconds that a request waits for others to run with while a worker is idle, e.g. 5. Default: 0."),
  calibrationSeconds: z
    .int()
    .min(0)
    .max(3600)
    .optional()
    .describe(
      "Seconds taken after loading to measure how the model is best run, e.g. 20; 0: no measuring. Default: 5.",
    ),
  maxQueueLength: z
    .int()
    .min(0)
    .max(1_000_000)
    .optional()
    .describe("Number of requests that may wait in one pod, e.g. 200; more are answered 503. Default: 1000."),
  maxExpectedWaitMilliseconds: z
    .int()
    .min(0)
    .max(3_600_000)
    .optional()
    .describe(
      "Milliseconds: requests that can expect to wait longer for their turn are answered 503 at once, e.g. 2000. Default: 900.",
    ),
  requestTimeoutSeconds: z
    .int()
    .min(1)
    .max(86_400)
    .optional()
    .describe("Seconds that a request waits for its turn at most, e.g. 10; then it is answered 503. Default: 30."),
  runTimeoutSeconds: z
    .int()
    .min(1)
    .max(86_400)
    .optional()
    .describe("Seconds that one run of the model takes at most, e.g. 60; then the container restarts. Default: 300."),
  maxBodyBytes: z
    .int()
    .min(1)
    .max(500 * 1024 ** 2)
    .optional()
    .describe("Bytes that the body of a request has at most, e.g. 8388608. Default: 67108864 (64 MiB)."),
  logLevel: z
    .enum(["debug", "info", "warn", "error"])
    .optional()
    .describe("Least level that the server logs: debug, info, warn or error. Default: info."),
});

export type ServerParameters = z.output<typeof serverParameters>;
