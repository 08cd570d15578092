// The first run after loading, on zeros: it makes onnxruntime allocate and prepare what real requests would wait for.

import { bytesOf, type Tensor, type TensorSpec, zeros } from "../tensors/datatypes.ts";
import type { ModelMetadata } from "./metadata.ts";
import type { WorkerPool } from "./pool.ts";

/** Tried in this order for dimensions that may vary: 1 suits most models, images and audio need some room. */
const SIZES = [1, 16, 64, 224];

/** More elements than this per input would take long for nothing. */
const MAX_ELEMENTS = 16 * 1024 * 1024;

export type WarmUpResult =
  | { readonly warm: true; readonly shapes: Record<string, readonly number[]> }
  | { readonly warm: false; readonly reason: string };

/**
 * Runs zeros once on each worker. Which sizes a model accepts cannot be read from it, so several are tried; that none
 * fits is no error: the model is served, and its first request takes longer.
 */
export async function warmUp(
  pool: Pick<WorkerPool, "run">,
  workers: number,
  { inputs, outputs }: Pick<ModelMetadata, "inputs" | "outputs">,
): Promise<WarmUpResult> {
  const outputNames = outputs.map(({ name }) => name);
  let reason = "its inputs are too large for a trial";
  for (const shapes of candidateShapes(inputs)) {
    const runs = Array.from({ length: workers }, () => pool.run({ inputs: makeZeros(inputs, shapes), outputNames }));
    try {
      await Promise.all(runs);
      return { warm: true, shapes: Object.fromEntries(inputs.map(({ name }, index) => [name, shapes[index] ?? []])) };
    } catch (error) {
      await Promise.allSettled(runs);
      reason = error instanceof Error ? error.message : String(error);
    }
  }
  return { warm: false, reason };
}

/** Each candidate has one shape per input. The first dimension, where it varies, is nearly always the batch: 1. */
export function candidateShapes(inputs: readonly TensorSpec[]): number[][][] {
  const all = SIZES.map((size) =>
    inputs.map(({ shape }) => shape.map((declared, axis) => (declared >= 0 ? declared : axis === 0 ? 1 : size))),
  );
  return all
    .filter((shapes) => shapes.every((shape) => shape.reduce((product, size) => product * size, 1) <= MAX_ELEMENTS))
    .filter((shapes, index, kept) => index === 0 || JSON.stringify(shapes) !== JSON.stringify(kept[index - 1]));
}

function makeZeros(inputs: readonly TensorSpec[], shapes: readonly (readonly number[])[]): Tensor[] {
  return inputs.map(({ name, datatype }, index) => {
    const shape = shapes[index] ?? [];
    const count = shape.reduce((product, size) => product * size, 1);
    const data = datatype === "BYTES" ? Array.from<string>({ length: count }).fill("") : bytesOf(zeros(datatype, count));
    return { name, datatype, shape, data };
  });
}
