// A model to be measured: its inputs, the runtime's own answer to them, and the requests that carry them.

import type { OutputValues } from "./answers.ts";
import type { Bench } from "./bench.ts";
import type { HttpLoad } from "./load/http-load.ts";
import type { ModelKind } from "./options.ts";
import type { RawModel } from "./raw/raw-process.ts";
import { binaryRequest, grpcRequest, jsonRequest } from "./requests.ts";
import { hasBatchAxis, sampleTensors } from "./sample-tensors.ts";

export interface Subject {
  readonly kind: ModelKind;
  readonly model: RawModel;
  /** Whether one run takes several rows. */
  readonly takesBatches: boolean;
  /** The runtime's outputs for one row. */
  readonly expected: OutputValues;
  /** One row each. */
  readonly json: HttpLoad;
  readonly binary: HttpLoad;
  readonly grpc: HttpLoad;
}

export async function prepareSubject(bench: Bench, kind: ModelKind): Promise<Subject> {
  const model = await bench.model(kind);
  const raw = await bench.startRaw({ model }, { workers: 1, threads: 1 });
  const { outputs } = await raw.run({ rows: 1, busyWorkers: 1, seconds: 0 });
  await raw.stop();
  const inputs = sampleTensors(raw.ready.inputs, 1, model.shapes);
  return {
    kind,
    model,
    takesBatches: hasBatchAxis(raw.ready.inputs),
    expected: outputs,
    json: jsonRequest(inputs),
    binary: binaryRequest(inputs),
    grpc: grpcRequest(inputs),
  };
}
