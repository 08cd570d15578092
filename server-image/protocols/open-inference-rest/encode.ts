// From output tensors to a JSON body.

import type { ModelMetadata } from "../../models/metadata.ts";
import type { Tensor } from "../../tensors/datatypes.ts";
import { encodeJsonData } from "../../tensors/json-encode.ts";

/** The body of an answer; `data` lists are flat. Throws an InferenceError for FP16 outputs. */
export function encodeInferResponse(metadata: ModelMetadata, id: string, outputs: readonly Tensor[]): Buffer {
  const head = JSON.stringify({ model_name: metadata.name, model_version: metadata.version, id });
  const parts: Buffer[] = [Buffer.from(`${head.slice(0, -1)},"outputs":[`)];
  for (const [index, tensor] of outputs.entries()) {
    const { name, datatype, shape } = tensor;
    const fields = JSON.stringify({ name, datatype, shape });
    parts.push(
      Buffer.from(`${index > 0 ? "," : ""}${fields.slice(0, -1)},"data":`),
      encodeJsonData(tensor),
      Buffer.from("}"),
    );
  }
  parts.push(Buffer.from("]}"));
  return Buffer.concat(parts);
}
