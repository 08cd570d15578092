// The proof that requests may be joined: a batch of different rows gives what each row gives alone.

import type { Tensor, TensorSpec } from "../tensors/datatypes.ts";
import { takeRows } from "./batch.ts";
import type { ModelMetadata } from "./metadata.ts";
import { nearlyEqual } from "./nearly-equal.ts";
import { type Draw, randomInputs, type Shapes, withRows } from "./sample-inputs.ts";

/** Sums are taken in another order when rows are joined; a model that mixes rows is off by far more. */
const TOLERANCE = 1e-3;

/** Not a power of two, and enough that a row has neighbours on both sides. */
export const PROOF_ROWS = 3;

const MAX_DRAWS = 100;

export type RunOnce = (inputs: readonly Tensor[]) => Promise<readonly Tensor[]>;

/** Why requests for this model are never joined, in words for people; undefined where the proof holds. */
export async function whyNotBatchable(
  { inputs, outputs }: Pick<ModelMetadata, "inputs" | "outputs">,
  shapes: Shapes,
  run: RunOnce,
  draw: Draw,
): Promise<string | undefined> {
  if (inputs.length === 0) {
    return "it has no inputs";
  }
  const fixed = [...inputs, ...outputs].find(({ shape }) => shape[0] !== -1);
  if (fixed !== undefined) {
    return `the first dimension of ${JSON.stringify(fixed.name)} does not vary`;
  }
  const joined = differingRows(inputs, shapes, draw);
  let together: readonly Tensor[];
  try {
    // A run takes the memory of its inputs away.
    together = await run(joined.map(copyOf));
  } catch (error) {
    return `it refuses ${PROOF_ROWS} rows: ${error instanceof Error ? error.message : String(error)}`;
  }
  const odd = together.find(({ shape }) => shape[0] !== PROOF_ROWS);
  if (odd !== undefined) {
    return `output ${JSON.stringify(odd.name)} has ${odd.shape[0] ?? "no"} rows for ${PROOF_ROWS} rows of inputs`;
  }
  for (let row = 0; row < PROOF_ROWS; row += 1) {
    const alone = await run(joined.map((tensor) => copyOf(takeRows(tensor, row, 1))));
    const differing = alone.find((output, index) => {
      const other = together[index];
      return other === undefined || !nearlyEqual(output, takeRows(other, row, 1), TOLERANCE);
    });
    if (differing !== undefined) {
      return `output ${JSON.stringify(differing.name)} of a row depends on the rows beside it`;
    }
  }
  return undefined;
}

/** Integers and texts are drawn from two values only: rows that are all alike by chance would prove nothing. */
function differingRows(inputs: readonly TensorSpec[], shapes: Shapes, draw: Draw): Tensor[] {
  let drawn = randomInputs(inputs, withRows(shapes, inputs, PROOF_ROWS), draw);
  for (let draws = 1; draws < MAX_DRAWS && !drawn.every(rowsDiffer); draws += 1) {
    drawn = randomInputs(inputs, withRows(shapes, inputs, PROOF_ROWS), draw);
  }
  return drawn;
}

function rowsDiffer(tensor: Tensor): boolean {
  const first = takeRows(tensor, 0, 1);
  return [1, 2].some((row) => !nearlyEqual(first, takeRows(tensor, row, 1), 0));
}

function copyOf(tensor: Tensor): Tensor {
  return { ...tensor, data: tensor.data.slice() };
}
