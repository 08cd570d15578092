// For tests: what the calibration of the I/O measures, and the settings that it measures with.

import { Metrics } from "../metrics.ts";
import type { LoadedModel } from "../models/load-model.ts";
import type { ModelMetadata } from "../models/metadata.ts";
import type { IoProbe } from "../models/model.ts";
import type { RunRequest } from "../models/runner.ts";
import { candidateShapes, randomInputs } from "../models/sample-inputs.ts";
import type { ExecutionPlan, ServedModel } from "../models/served-model.ts";
import { ONE_WORKER } from "../models/test-plan.ts";
import { answerHttp } from "../protocols/answer-http.ts";
import type { TensorSpec } from "../tensors/datatypes.ts";
import { recordingLog } from "../test-server.ts";
import type { MeasureIoOptions } from "./measure-io.ts";

const PLAN = { ...ONE_WORKER, batchDelayMs: 5000 };

export interface TestProbe {
  readonly inputs: readonly TensorSpec[];
  readonly plan?: Partial<ExecutionPlan>;
  /** Instead of a model whose outputs are its inputs. */
  readonly run?: LoadedModel["runner"]["run"];
  readonly rowsPerSecond?: number;
  readonly deadlineMs: number;
}

/** Gives its inputs back. */
export async function echo({ inputs }: RunRequest) {
  return {
    outputs: inputs.map((tensor) => ({ ...tensor, name: `${tensor.name} out` })),
    computeSeconds: 0,
    freed: [],
  };
}

export function makeProbe({ inputs, plan = {}, run = echo, rowsPerSecond, deadlineMs }: TestProbe): IoProbe {
  const metadata: ModelMetadata = {
    name: "a model/ü",
    version: "1",
    platform: "onnx_onnxv1",
    inputs,
    outputs: inputs.map((spec) => ({ ...spec, name: `${spec.name} out` })),
  };
  const [shapes = []] = candidateShapes(inputs);
  const loaded = {
    metadata,
    plan: { ...PLAN, ...plan },
    calibration: { rowsPerSecond, runTimes: [] },
    sampleOutputs: randomInputs(metadata.outputs, shapes, Math.random),
    runner: { idleCount: 1, parallelRuns: 1, movesInputs: false, run },
    onIdle: () => undefined,
  } as unknown as LoadedModel;
  const outputNames = metadata.outputs.map(({ name }) => name);
  return { loaded, request: { inputs: randomInputs(inputs, shapes, Math.random), outputNames }, deadlineMs };
}

/** What it logs is in `lines`. */
export function makeMeasureOptions(options: Partial<MeasureIoOptions> = {}) {
  const { log, lines } = recordingLog();
  const clock = options.clock ?? (() => performance.now());
  const all: MeasureIoOptions = {
    context: {
      model: {} as ServedModel,
      metrics: new Metrics({ queueDepth: () => 0, requestsInFlight: () => 0 }),
      isStopping: () => false,
      renderMetrics: async () => "",
      calibration: async () => undefined,
      serverVersion: "0",
      clock,
      log,
    },
    handle: answerHttp,
    maxBodyBytes: 1024 ** 2,
    maxBatchSize: undefined,
    maxBatchRunMs: 100,
    requestTimeoutSeconds: 30,
    clock,
    wallClock: Date.now,
    cpuSeconds: cpuSecondsOfThisProcess,
    threadCpuSeconds: () => toSeconds(process.threadCpuUsage()),
    cpus: 1,
    random: Math.random,
    log,
    ...options,
  };
  return { options: all, lines };
}

export function cpuSecondsOfThisProcess(): number {
  return toSeconds(process.cpuUsage());
}

function toSeconds({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1e6;
}
