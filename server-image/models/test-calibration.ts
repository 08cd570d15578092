// For tests: a calibration as an earlier replica would have published it, so that nothing depends on this machine's speed.

import { stat } from "node:fs/promises";

import packageJson from "../package.json" with { type: "json" };
import { testModel } from "../test-server.ts";
import type { Calibration } from "./calibration.ts";
import { writeCalibration } from "./calibration-text.ts";

/** Of a tiny model: a run is far shorter than the way to a worker, so it runs on the I/O threads unless workers are asked for. */
export const TINY: Calibration = {
  workers: 1,
  threadsPerWorker: 1,
  shapes: undefined,
  batchable: true,
  maxBatchSize: 8,
  runTimes: [{ rows: 1, seconds: 0.00001 }],
  rowsPerSecond: 50_000,
  cpuSecondsPerRow: 0.00001,
  hopSeconds: 0.00004,
  provisional: false,
};

/** As `--calibration` takes it, for a model in testdata. */
export async function publishedCalibration(
  name: string,
  calibration: Calibration,
  usableThreads: number,
): Promise<string> {
  const { size: modelBytes } = await stat(testModel(name));
  const basis = { serverVersion: packageJson.version, modelBytes, usableThreads, executionProvider: "cpu" };
  return writeCalibration({ basis, calibration, ioCpuSeconds: { "v2-rest": 0.0001 } });
}
