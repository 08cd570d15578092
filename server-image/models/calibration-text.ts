// A calibration as JSON, so that a replica can start from what an earlier one has measured.

import type { Calibration } from "./calibration.ts";

/** What a calibration depends on: it holds for a replica where all of this is the same. */
export interface CalibrationBasis {
  readonly serverVersion: string;
  readonly modelBytes: number;
  readonly usableThreads: number;
  readonly executionProvider: string;
}

/** Load lines and I/O costs are measured beside the calibration and travel with it. */
export interface StoredCalibration {
  readonly basis: CalibrationBasis;
  readonly calibration: Calibration;
  /** CPU seconds of an I/O thread per request, by protocol. */
  readonly ioCpuSeconds: Readonly<Record<string, number>>;
}

export function writeCalibration(stored: StoredCalibration): string {
  return JSON.stringify(stored);
}

/** The stored calibration, or in words for people why it cannot be used. */
export function readCalibration(text: string, basis: CalibrationBasis): StoredCalibration | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return "it is not valid JSON";
  }
  if (!isStored(value)) {
    return "it lacks fields of a calibration that this server wrote";
  }
  const names = Object.keys(basis) as (keyof CalibrationBasis)[];
  const differing = names.find((name) => value.basis[name] !== basis[name]);
  return differing === undefined
    ? value
    : `${differing} was ${String(value.basis[differing])} and is ${basis[differing]} here`;
}

function isStored(value: unknown): value is StoredCalibration {
  const { basis, calibration, ioCpuSeconds } = (value ?? {}) as Partial<Record<keyof StoredCalibration, unknown>>;
  return isObject(basis) && isObject(ioCpuSeconds) && isCalibration(calibration);
}

function isCalibration(value: unknown): value is Calibration {
  const {
    workers,
    threadsPerWorker,
    batchable,
    maxBatchSize,
    runTimes,
    hopSeconds,
  } = (value ?? {}) as Partial<Record<keyof Calibration, unknown>>;
  return (
    [workers, threadsPerWorker, maxBatchSize].every((count) => Number.isSafeInteger(count) && Number(count) > 0) &&
    typeof batchable === "boolean" &&
    typeof hopSeconds === "number" &&
    Array.isArray(runTimes)
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
