// From output tensors to an answer: JSON, and after it the tensors that were asked for as binary.

import { randomUUID } from "node:crypto";

import { encodeBinaryData } from "../../tensors/binary-encode.ts";
import type { Tensor } from "../../tensors/datatypes.ts";
import { encodeJsonData } from "../../tensors/json-encode.ts";
import type { HttpAnswer } from "../http/exchange.ts";
import type { DecodedRequest } from "./decode.ts";
import { asciiJson, type PreparedModel } from "./prepared-model.ts";

/** Up to so many bytes are joined: one write costs more than the copy. */
const SMALL = 16 * 1024;

const JSON_HEADERS = { "content-type": "application/json" };

/** @param outputs as the request asked for them; `data` lists are flat */
export function encodeInferResponse(
  model: PreparedModel,
  { id, outputForms }: Pick<DecodedRequest, "id" | "outputForms">,
  outputs: readonly Tensor[],
): HttpAnswer {
  const json: (string | Uint8Array)[] = [];
  const binary: Uint8Array[] = [];
  let text = `${model.answerStart}${id === undefined ? `"${randomUUID()}"` : asciiJson(id)},"outputs":[`;
  for (const [index, tensor] of outputs.entries()) {
    const form = outputForms[index];
    if (form?.name !== tensor.name) {
      throw new Error(`output ${JSON.stringify(tensor.name)} was not asked for`);
    }
    text += `${index > 0 ? "," : ""}${form.start}${tensor.shape.join(",")}]`;
    if (form.binary) {
      const data = encodeBinaryData(tensor);
      text += `,"parameters":{"binary_data_size":${data.length}}}`;
      binary.push(data);
    } else {
      json.push(`${text},"data":`, encodeJsonData(tensor));
      text = "}";
    }
  }
  json.push(`${text}]}`);
  return binary.length === 0 ? { status: 200, headers: JSON_HEADERS, body: join(json) } : withBinary(json, binary);
}

function withBinary(json: readonly (string | Uint8Array)[], binary: readonly Uint8Array[]): HttpAnswer {
  return {
    status: 200,
    headers: {
      "content-type": "application/octet-stream",
      "Inference-Header-Content-Length": String(totalLength(json)),
    },
    body: join([...json, ...binary]),
  };
}

/** Texts are ASCII. */
function join(parts: readonly (string | Uint8Array)[]): Uint8Array | readonly Uint8Array[] {
  const length = totalLength(parts);
  if (length > SMALL) {
    return parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : part));
  }
  const out = Buffer.allocUnsafe(length);
  let offset = 0;
  for (const part of parts) {
    if (typeof part === "string") {
      out.write(part, offset, "latin1");
    } else {
      out.set(part, offset);
    }
    offset += part.length;
  }
  return out;
}

function totalLength(parts: readonly (string | Uint8Array)[]): number {
  return parts.reduce((total, part) => total + part.length, 0);
}
