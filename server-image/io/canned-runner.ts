// Answers runs with outputs that were computed before: the way of a request through the server, without the model.

import type { Runner, RunRequest, RunResult } from "../models/runner.ts";
import type { Tensor } from "../tensors/datatypes.ts";

export class CannedRunner implements Runner {
  readonly idleCount = 1;
  readonly parallelRuns = 1;
  readonly movesInputs = true;
  readonly #outputs: readonly Tensor[];
  readonly #batchable: boolean;

  /** @param outputs those of a run of one row */
  constructor(outputs: readonly Tensor[], batchable: boolean) {
    this.#outputs = outputs;
    this.#batchable = batchable;
  }

  async run({ inputs }: RunRequest): Promise<RunResult> {
    const rows = this.#batchable ? (inputs[0]?.shape[0] ?? 1) : 1;
    const freed = inputs.flatMap(({ data }) => (data instanceof Uint8Array ? [data.buffer as ArrayBuffer] : []));
    return { outputs: this.#outputs.map((output) => repeat(output, rows)), computeSeconds: 0, freed };
  }
}

/** In fresh memory, as a real run gives it. */
function repeat({ shape, data, ...rest }: Tensor, rows: number): Tensor {
  if (rows === 1) {
    return { ...rest, shape, data: data.slice() };
  }
  const repeated = [rows, ...shape.slice(1)];
  if (!(data instanceof Uint8Array)) {
    return { ...rest, shape: repeated, data: Array.from({ length: rows }, () => data).flat() };
  }
  const all = new Uint8Array(rows * data.length);
  for (let row = 0; row < rows; row += 1) {
    all.set(data, row * data.length);
  }
  return { ...rest, shape: repeated, data: all };
}
