// One reading of a line of text as the Open Inference Protocol has it: the request's body, and what an answer says.

import { type Dictionary, decodeCtc } from "./ctc.ts";
import { classesOutput, inputName, likelihoodOutput } from "./recognition-model.ts";
import { lineHeight, type TextLine, toTensor } from "./text-line.ts";

export interface Reading {
  readonly text: string;
  /** The model's likelihood of its least certain column, 0 to 1. */
  readonly likelihood: number;
  /** The class of each column, before decoding: equal images give equal classes. */
  readonly classes: readonly number[];
}

/** An answer that is no reading of a text line. */
export class AnswerError extends Error {
  override readonly name = "AnswerError";
  readonly code = "NOT_A_READING";
}

/** The JSON body of `POST /v2/models/NAME/infer`. */
export function toInferRequest(line: TextLine): string {
  return JSON.stringify({
    inputs: [{ name: inputName, datatype: "FP32", shape: [1, 3, lineHeight, line.width], data: toTensor(line) }],
    outputs: [{ name: classesOutput }, { name: likelihoodOutput }],
  });
}

/** @throws AnswerError when the body is not the JSON answer of the recognition model. */
export function parseInferResponse(body: string, dictionary: Dictionary): Reading {
  const classes = outputData(body, classesOutput);
  const likelihood = Math.min(...outputData(body, likelihoodOutput));
  return { text: decodeCtc(classes, dictionary), likelihood, classes };
}

/**
 * The numbers of one output.
 * @throws AnswerError when the body is not JSON or lacks the output.
 */
export function outputData(body: string, name: string): number[] {
  const data = parseOutputs(body).find((output) => output.name === name)?.data;
  if (!Array.isArray(data) || data.length === 0 || !data.every((value) => typeof value === "number")) {
    throw new AnswerError(`the answer has no numbers under the output ${name}: ${body.slice(0, 200)}`);
  }
  return data;
}

function parseOutputs(body: string): readonly { readonly name?: unknown; readonly data?: unknown }[] {
  try {
    const answer: unknown = JSON.parse(body);
    if (typeof answer === "object" && answer !== null && "outputs" in answer && Array.isArray(answer.outputs)) {
      return answer.outputs.filter((output) => typeof output === "object" && output !== null);
    }
  } catch (error) {
    throw new AnswerError(`the answer is not JSON: ${body.slice(0, 200)}`, { cause: error });
  }
  throw new AnswerError(`the answer has no list of outputs: ${body.slice(0, 200)}`);
}
