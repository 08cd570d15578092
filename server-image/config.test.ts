// The command line: defaults, limits, and complaints that say what is allowed.

import type { CommanderError } from "commander";
import { describe, expect, test } from "vitest";

import { type Config, parseConfig } from "./config.ts";

const MACHINE = { usableThreads: 4 };
const REQUIRED = ["--model-name", "demo", "--storage-uri", "./model.onnx"];

function parse(...argv: string[]): Config {
  return parseConfig([...REQUIRED, ...argv], MACHINE, () => undefined);
}

/** What is printed for wrong arguments, and the exit code. */
function complaint(argv: string[]): { printed: string; exitCode: number } {
  let printed = "";
  try {
    parseConfig(argv, MACHINE, (text) => {
      printed += text;
    });
  } catch (error) {
    return { printed, exitCode: (error as CommanderError).exitCode };
  }
  throw new Error("nothing was wrong");
}

test("defaults", () => {
  expect(parse()).toEqual({
    modelName: "demo",
    storageUri: "./model.onnx",
    httpPort: 8080,
    grpcPort: 9000,
    workers: 1,
    threadsPerWorker: 4,
    maxQueueLength: 100,
    requestTimeoutSeconds: 30,
    runTimeoutSeconds: 300,
    maxBodyBytes: 67_108_864,
    drainDelaySeconds: 5,
    gracePeriodSeconds: 30,
    modelDirectory: undefined,
    pvcRoot: "/mnt/pvc",
    downloadTimeoutSeconds: 600,
    maxModelBytes: 10_737_418_240,
    terminationLog: "/dev/termination-log",
    logLevel: "info",
  });
});

describe("threads per worker", () => {
  test.each([
    ["the CPUs are shared among the workers", ["--workers", "2"], 2],
    ["at least one each", ["--workers", "16"], 1],
    ["as given", ["--workers", "2", "--threads-per-worker", "7"], 7],
  ])("%s", (_name, argv, expected) => {
    expect(parse(...argv).threadsPerWorker).toBe(expected);
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
