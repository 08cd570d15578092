// From a body to an inference request that fits the model: JSON, JSON followed by binary tensors, or one raw tensor.

import { type InferenceError, invalidArgument } from "../../inference-error.ts";
import type { InferenceRequest } from "../../models/served-model.ts";
import { decodeBinaryData } from "../../tensors/binary-decode.ts";
import type { Tensor } from "../../tensors/datatypes.ts";
import type { PreparedModel } from "./prepared-model.ts";
import { readRawRequest } from "./raw-request.ts";
import { readHead } from "./read-head.ts";
import type { BinaryInput, OutputForm, RequestHead } from "./request-head.ts";

/** In small letters, as Node gives the names of headers. */
export const HEADER_LENGTH = "inference-header-content-length";

export interface DecodedRequest extends InferenceRequest {
  /** The client's, where it gave one. */
  readonly id: string | undefined;
  /** In the order of `outputNames`. */
  readonly outputForms: readonly OutputForm[];
}

/**
 * Binary tensors in the result lie in the body's memory. Throws an InferenceError that names the input, field or header
 * and says what is allowed.
 *
 * @param headerLength value of the header Inference-Header-Content-Length, where there is one
 */
export function decodeInferRequest(
  body: Buffer,
  headerLength: string | string[] | undefined,
  model: PreparedModel,
): DecodedRequest {
  if (headerLength === undefined) {
    return withData(readHead(body, model), body, body.length);
  }
  const length = readHeaderLength(headerLength, body.length);
  if (length === 0) {
    return withData(readRawRequest(body, model), body, body.length);
  }
  return withData(model.heads.find(body, length) ?? readNewHead(body.subarray(0, length), model), body, length);
}

function readNewHead(json: Buffer, model: PreparedModel): RequestHead {
  const head = readHead(json, model);
  model.heads.keep(json, head);
  return head;
}

function readHeaderLength(value: string | string[], bodyLength: number): number {
  const length = typeof value === "string" && /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
  // Not a number is within no limits.
  if (!(length <= bodyLength)) {
    throw invalidArgument(
      `Inference-Header-Content-Length is ${JSON.stringify(value)}; it must be the number of bytes of the JSON text ` +
        `at the beginning of the body, from 0 to ${bodyLength}`,
    );
  }
  return length;
}

/** @param start where binary data begins in the body */
function withData(head: RequestHead, body: Buffer, start: number): DecodedRequest {
  const { id, outputNames, outputForms, priority, timeoutMs } = head;
  const inputs: Tensor[] = [];
  let offset = start;
  for (const input of head.inputs) {
    if ("data" in input) {
      inputs.push(input);
    } else {
      const end = offset + input.byteSize;
      if (end > body.length) {
        throw tooShort(input, body.length - offset);
      }
      const { name, datatype, shape, count, what } = input;
      inputs.push({ name, datatype, shape, data: decodeBinaryData(datatype, count, body.subarray(offset, end), what) });
      offset = end;
    }
  }
  if (offset !== body.length) {
    throw invalidArgument(`unexpected additional input data: ${body.length - offset} byte(s) after the last input`);
  }
  return { id, inputs, outputNames, outputForms, priority, timeoutMs };
}

function tooShort({ what, byteSize }: BinaryInput, left: number): InferenceError {
  return invalidArgument(
    `${what}: its binary data should have ${byteSize} bytes ("binary_data_size"), but ${left} are left after the JSON ` +
      "text and the inputs before it; Inference-Header-Content-Length must say where the JSON text ends",
  );
}
