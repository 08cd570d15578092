// For tests: a gRPC listener in front of a model that does what the test says, and a client of it.

import type { ChannelOptions } from "@grpc/grpc-js";

import type { Cancellation } from "../../cancellation.ts";
import type { ModelMetadata } from "../../models/metadata.ts";
import type {
  ExecutionPlan,
  InferenceRequest,
  InferenceResult,
  Readiness,
  ServedModel,
} from "../../models/served-model.ts";
import { StatisticsRecorder } from "../../models/statistics.ts";
import { ONE_WORKER } from "../../models/test-plan.ts";
import { recordingLog } from "../../test-server.ts";
import { GrpcListener } from "./listener.ts";
import { makeTestClient, type TestClient } from "./test-client.ts";

export const METADATA: ModelMetadata = {
  name: "m",
  version: "1",
  platform: "onnx_onnxv1",
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 3] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1, 3] }],
};

const PLAN = { ...ONE_WORKER, workers: 2 };

/** Answers with its first input under the name of its output, unless the test replaces `infer`. */
export class FakeModel implements ServedModel {
  readonly name = "m";
  readonly versionLabels: readonly string[] = [];
  readonly recorder = new StatisticsRecorder();
  metadata = METADATA;
  readiness: Readiness = { ready: true };
  admit: () => void = () => undefined;

  readyMetadata(): ModelMetadata {
    return this.metadata;
  }

  readyPlan(): ExecutionPlan {
    return PLAN;
  }

  infer: (request: InferenceRequest, cancellation: Cancellation) => Promise<InferenceResult> = async ({ inputs }) => ({
    outputs: inputs.slice(0, 1).map((input) => ({ ...input, name: "y" })),
  });

  async statistics() {
    return this.recorder.snapshot();
  }
}

/** Longer than any test waits. */
const PATIENCE_MS = 60_000;

export interface TestListener {
  readonly model: FakeModel;
  readonly listener: GrpcListener;
  readonly port: number;
  readonly client: TestClient;
  /** HTTP statuses of inference requests that have ended. */
  readonly ended: readonly number[];
  /** Number of inference requests that have arrived. */
  readonly received: () => number;
  readonly logged: () => number;
  /** Tells the server to stop, as a signal does. */
  readonly startStopping: () => void;
  readonly connect: (options?: ChannelOptions) => TestClient;
  readonly close: (patienceMs?: number) => Promise<void>;
}

export interface TestListenerOptions {
  readonly maxMessageBytes?: number;
  readonly maxConnections?: number;
  readonly maxCalls?: number;
  /** Milliseconds, monotonic. */
  readonly clock?: () => number;
}

export async function startTestListener(options: TestListenerOptions = {}): Promise<TestListener> {
  const {
    maxMessageBytes = 1024 ** 2,
    maxConnections = 100,
    maxCalls = 2000,
    clock = () => performance.now(),
  } = options;
  const model = new FakeModel();
  const { log, lines } = recordingLog();
  const ended: number[] = [];
  let received = 0;
  let stopping = false;
  const listener = new GrpcListener({
    context: {
      model,
      metrics: {
        requestReceived: () => {
          received += 1;
        },
        requestEnded: (_protocol, code) => {
          ended.push(code);
        },
      },
      isStopping: () => stopping,
      renderMetrics: async () => "",
      calibration: async () => undefined,
      serverVersion: "0.0.0",
      clock,
      log,
    },
    maxMessageBytes,
    maxCalls,
    maxConnections: () => maxConnections,
    wallClock: Date.now,
    random: () => 0.5,
  });
  const port = await listener.listen(0, "127.0.0.1");
  const clients: TestClient[] = [];
  const connect = (channel?: ChannelOptions) => {
    const client = makeTestClient(`127.0.0.1:${port}`, channel);
    clients.push(client);
    return client;
  };
  return {
    model,
    listener,
    port,
    client: connect(),
    ended,
    received: () => received,
    logged: () => lines.length,
    startStopping: () => {
      stopping = true;
      listener.startDraining();
    },
    connect,
    close: async (patienceMs = PATIENCE_MS) => {
      await listener.close(patienceMs);
      for (const client of clients) {
        client.close();
      }
    },
  };
}
