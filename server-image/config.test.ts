// The command line: defaults, limits, and complaints that say what is allowed.

import type { CommanderError } from "commander";
import { describe, expect, test } from "vitest";

import { type Config, parseConfig } from "./config.ts";

const REQUIRED = ["--model-name", "demo", "--storage-uri", "./model.onnx"];

function parse(...argv: string[]): Config {
  return parseConfig([...REQUIRED, ...argv], () => undefined);
}

/** What is printed for wrong arguments, and the exit code. */
function complaint(argv: string[]): { printed: string; exitCode: number } {
  let printed = "";
  try {
    parseConfig(argv, (text) => {
      printed += text;
    });
  } catch (error) {
    return { printed, exitCode: (error as CommanderError).exitCode };
  }
  throw new Error("nothing was wrong");
}

test("defaults; what is not there is measured", () => {
  expect(parse()).toEqual({
    modelName: "demo",
    storageUri: "./model.onnx",
    httpPort: 8080,
    grpcPort: 9000,
    workers: undefined,
    threadsPerWorker: undefined,
    ioThreads: undefined,
    executionProvider: "auto",
    allowCpuFallback: false,
    maxBatchSize: undefined,
    maxBatchDelayMs: 0,
    maxBatchRunMs: 100,
    calibrationSeconds: 5,
    calibration: undefined,
    maxQueueLength: 1000,
    maxQueueBytes: 134_217_728,
    maxExpectedWaitMs: 900,
    requestTimeoutSeconds: 30,
    runTimeoutSeconds: 300,
    corsAllowOrigin: undefined,
    versionLabels: [],
    maxConnections: 10_000,
    maxBodyBytes: 67_108_864,
    drainDelaySeconds: 5,
    gracePeriodSeconds: 30,
    storageSha256: undefined,
    modelDirectory: undefined,
    pvcRoot: "/mnt/pvc",
    ociRoot: "/mnt/oci",
    downloadTimeoutSeconds: 600,
    maxModelBytes: 10_737_418_240,
    maxModelFiles: 10_000,
    maxExpansionRatio: 100,
    storageCredentialsDirectory: undefined,
    storageInstanceCredentials: false,
    storageAllowedNetworks: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"],
    s3Endpoint: undefined,
    s3AddressingStyle: "auto",
    terminationLog: "/dev/termination-log",
    logLevel: "info",
  });
});

describe("how the model is run, as given", () => {
  const CASES: [string[], Partial<Config>][] = [
    [["--workers", "2", "--threads-per-worker", "7"], { workers: 2, threadsPerWorker: 7 }],
    [["--io-threads", "3"], { ioThreads: 3 }],
    [["--execution-provider", "cuda", "--allow-cpu-fallback"], { executionProvider: "cuda", allowCpuFallback: true }],
    [["--max-batch-size", "16"], { maxBatchSize: 16 }],
    [["--max-batch-delay-ms", "2.5"], { maxBatchDelayMs: 2.5 }],
    [["--max-queue-length", "0"], { maxQueueLength: 0 }],
    [["--calibration-seconds", "0"], { calibrationSeconds: 0 }],
    [["--calibration", '{"a":1}'], { calibration: '{"a":1}' }],
  ];
  test.each(CASES)("%j", (argv, expected) => {
    expect(parse(...argv)).toMatchObject(expected);
  });
});

test("seconds may have fractions", () => {
  expect(parse("--drain-delay-seconds", "0.5").drainDelaySeconds).toBe(0.5);
});

describe("refused with exit code 1", () => {
  const cases: [string, string[], RegExp][] = [
    ["no model name", ["--storage-uri", "x"], /required option '--model-name <name>' not specified/],
    ["no storage URI", ["--model-name", "x"], /required option '--storage-uri <uri>' not specified/],
    [
      "an empty name",
      [...REQUIRED, "--model-name", " "],
      /'--model-name <name>' argument ' ' is invalid. It must not be/,
    ],
    ["a word for a port", [...REQUIRED, "--http-port", "http"], /'http' is invalid. Give a number from 0 to 65535/],
    ["a port too high", [...REQUIRED, "--http-port", "65536"], /'65536' is invalid. Give a number from 0 to 65535/],
    ["no workers", [...REQUIRED, "--workers", "0"], /'0' is invalid. Give a number from 1 to 256/],
    ["a negative queue", [...REQUIRED, "--max-queue-length=-1"], /'-1' is invalid. Give a number from 0/],
    [
      "a body beyond the longest string",
      [...REQUIRED, "--max-body-bytes", "524288001"],
      /'524288001' is invalid. Give a number from 1 to 524288000/,
    ],
    ["no I/O threads", [...REQUIRED, "--io-threads", "0"], /'0' is invalid. Give a number from 1 to 64/],
    ["a batch of none", [...REQUIRED, "--max-batch-size", "0"], /'0' is invalid. Give a number from 1 to 65536/],
    [
      "a delay of more than an hour",
      [...REQUIRED, "--max-batch-delay-ms", "3600001"],
      /'3600001' is invalid. Give a number from 0 to 3600000/,
    ],
    [
      "an unknown provider",
      [...REQUIRED, "--execution-provider", "tpu"],
      /'tpu' is invalid. Allowed choices are auto, cpu, cuda/,
    ],
    ["an empty calibration", [...REQUIRED, "--calibration", " "], /' ' is invalid. It must not be empty/],
    ["half a worker", [...REQUIRED, "--workers", "1.5"], /'1.5' is invalid/],
    ["an unknown level", [...REQUIRED, "--log-level", "loud"], /Allowed choices are debug, info, warn, error/],
    ["an unknown flag", [...REQUIRED, "--wrokers", "2"], /unknown option '--wrokers'[^]*--workers/],
    ["a stray argument", [...REQUIRED, "model.onnx"], /too many arguments/],
  ];
  test.each(cases)("%s", (_name, argv, message) => {
    const { printed, exitCode } = complaint(argv);
    expect(printed).toMatch(message);
    expect(exitCode).toBe(1);
  });
});

test("--help names every flag and is no failure", () => {
  const { printed, exitCode } = complaint(["--help"]);
  expect(exitCode).toBe(0);
  for (const name of Object.keys(parse())) {
    expect(printed).toContain(`--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`);
  }
});
