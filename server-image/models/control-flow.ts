// Whether a model has loops or branches: then how long a run takes depends on the values that clients send.

import { readFile, stat } from "node:fs/promises";

/** Operators of ONNX that run a graph of their own, as the field `op_type` (4) of a node spells them. */
const OPERATORS = ["Loop", "Scan", "If", "SequenceMap"].map((name) =>
  Buffer.concat([Buffer.of(0x22, name.length), Buffer.from(name)]),
);

/** Larger models take longer to load than to search, and are not meant for what asks this. */
const MAX_BYTES = 64 * 1024 ** 2;

/**
 * False only where the file holds no such operator. Bytes of weights that look like one give true as well, as do files
 * that are too large to search.
 */
export async function mayHaveControlFlow(modelFile: string): Promise<boolean> {
  if ((await stat(modelFile)).size > MAX_BYTES) {
    return true;
  }
  const bytes = await readFile(modelFile);
  return OPERATORS.some((operator) => bytes.includes(operator));
}
