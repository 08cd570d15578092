// A calibration as JSON, so that a replica can start from what an earlier one has measured.

import type { Calibration, RunTime } from "./calibration.ts";
import type { Saturation } from "./load-line.ts";

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
  readonly saturation?: Saturation | undefined;
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
  const { basis, calibration, ioCpuSeconds, saturation } = fieldsOf<StoredCalibration>(value);
  return (
    isObject(basis) &&
    isCalibration(calibration) &&
    isObject(ioCpuSeconds) &&
    Object.values(ioCpuSeconds).every((seconds) => isNumber(seconds) && seconds > 0) &&
    (saturation === undefined || isSaturation(saturation))
  );
}

function isCalibration(value: unknown): value is Calibration {
  const fields = fieldsOf<Calibration>(value);
  const { shapes, runTimes, rowsPerSecond, cpuSecondsPerRow } = fields;
  return (
    [fields.workers, fields.threadsPerWorker, fields.maxBatchSize].every(isCount) &&
    typeof fields.batchable === "boolean" &&
    typeof fields.provisional === "boolean" &&
    isNumber(fields.hopSeconds) &&
    (shapes === undefined || isListOf(shapes, (shape) => isListOf(shape, (size) => size === 0 || isCount(size)))) &&
    isListOf(runTimes, isRunTime) &&
    (rowsPerSecond === undefined || (isNumber(rowsPerSecond) && rowsPerSecond > 0)) &&
    (cpuSecondsPerRow === undefined || (isNumber(cpuSecondsPerRow) && cpuSecondsPerRow >= 0))
  );
}

function isRunTime(value: unknown): value is RunTime {
  const { rows, seconds } = fieldsOf<RunTime>(value);
  return isCount(rows) && isNumber(seconds) && seconds >= 0;
}

/** What is said of a value that may be anything: its fields, if it has any. */
function fieldsOf<T>(value: unknown): Partial<Record<keyof T, unknown>> {
  return isObject(value) ? (value as Partial<Record<keyof T, unknown>>) : {};
}

function isListOf(value: unknown, isItem: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isItem);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) > 0;
}

function isNumber(value: unknown): value is number {
  return Number.isFinite(value);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function isSaturation(value: unknown): value is Saturation {
  return isObject(value) && Object.values(value).every((line) => isNumber(line) && line > 0);
}
