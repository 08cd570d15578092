// The flags that say how the model is run and how many requests may wait for it.

import { type Command, Option } from "commander";

import { integer, milliseconds, seconds, text } from "../flags.ts";
import { PROVIDER_CHOICES, type ProviderChoice } from "./execution-provider.ts";

export interface ModelSettings {
  /** Undefined: found by calibration. */
  readonly workers: number | undefined;
  /** Undefined: found by calibration. */
  readonly threadsPerWorker: number | undefined;
  /** Undefined: found by calibration. */
  readonly ioThreads: number | undefined;
  readonly executionProvider: ProviderChoice;
  readonly allowCpuFallback: boolean;
  /** Rows; undefined: found by calibration. */
  readonly maxBatchSize: number | undefined;
  readonly maxBatchDelayMs: number;
  readonly maxBatchRunMs: number;
  readonly calibrationSeconds: number;
  /** JSON of an earlier replica's calibration. */
  readonly calibration: string | undefined;
  readonly maxQueueLength: number;
  readonly maxQueueBytes: number;
  readonly maxExpectedWaitMs: number;
  readonly requestTimeoutSeconds: number;
  readonly runTimeoutSeconds: number;
}

/** The values of flags that have no default. */
export const MODEL_NOT_GIVEN = {
  workers: undefined,
  threadsPerWorker: undefined,
  ioThreads: undefined,
  maxBatchSize: undefined,
  calibration: undefined,
} as const;

const MEBIBYTE = 1024 ** 2;

export function addModelOptions(command: Command): void {
  addExecutionOptions(command);
  addBatchOptions(command);
  command
    .addOption(
      integer("--max-queue-length <count>", "waiting requests; more are answered 503", {
        standard: 1000,
        min: 0,
        max: 1_000_000,
      }),
    )
    .addOption(
      integer("--max-queue-bytes <bytes>", "inputs of waiting requests; more are answered 503", {
        standard: 128 * MEBIBYTE,
        min: 1,
        max: 1024 ** 4,
      }),
    )
    .addOption(
      milliseconds(
        "--max-expected-wait-ms <milliseconds>",
        "requests that can expect to wait longer for their turn, and longer than 4 runs, are answered 503 at once",
        900,
      ),
    )
    .addOption(seconds("--request-timeout-seconds <seconds>", "longest wait for a turn; then 503", 30))
    .addOption(seconds("--run-timeout-seconds <seconds>", "longest run; then the process ends", 300));
}

function addExecutionOptions(command: Command): void {
  command
    .addOption(
      integer("--workers <count>", "copies of the model, each run by a thread of its own (default: measured)", {
        min: 1,
        max: 256,
      }),
    )
    .addOption(
      integer("--threads-per-worker <count>", "threads of one run (default: measured, within the CPU limit)", {
        min: 1,
        max: 256,
      }),
    )
    .addOption(
      integer("--io-threads <count>", "threads that read requests and write answers (default: measured)", {
        min: 1,
        max: 64,
      }),
    )
    .addOption(
      new Option("--execution-provider <provider>", "what runs the model; auto: cuda where the pod has a GPU, else cpu")
        .choices(PROVIDER_CHOICES)
        .default("auto"),
    )
    .addOption(
      new Option("--allow-cpu-fallback", "run on the CPU where the GPU cannot be used, instead of failing").default(
        false,
      ),
    );
}

function addBatchOptions(command: Command): void {
  command
    .addOption(
      integer("--max-batch-size <rows>", "most rows of requests that run together; 1: none (default: measured)", {
        min: 1,
        max: 65_536,
      }),
    )
    .addOption(
      milliseconds(
        "--max-batch-delay-ms <milliseconds>",
        "how long a request waits for others while a worker is idle",
        0,
      ),
    )
    .addOption(milliseconds("--max-batch-run-ms <milliseconds>", "longest run that joining requests may lead to", 100))
    .addOption(
      seconds("--calibration-seconds <seconds>", "time for measuring how the model is best run; 0: no measuring", 5),
    )
    .addOption(
      text(
        "--calibration <json>",
        "what an earlier replica measured (GET /v2/models/NAME/calibration); used where model and CPUs are the same",
      ),
    );
}
