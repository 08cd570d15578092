// Tests that the real model reads rendered text, and that an answer that is none is told apart.

import { InferenceSession, Tensor } from "onnxruntime-node";
import { beforeAll, describe, expect, test } from "vitest";
import type { Dictionary } from "./ctc.ts";
import { parseInferResponse, toInferRequest } from "./reading.ts";
import { classesOutput, inputName, likelihoodOutput, loadRecognitionModel } from "./recognition-model.ts";
import { renderTextLine, TextError, toBlocks, toTensor } from "./text-line.ts";

describe("the recognition model reads", () => {
  let session: InferenceSession;
  let dictionary: Dictionary;

  beforeAll(async () => {
    const model = await loadRecognitionModel();
    dictionary = model.dictionary;
    session = await InferenceSession.create(model.onnx, { intraOpNumThreads: 1 });
  });

  test.each([
    "Load line 4711",
    "Plimsoll 2026",
    "Keep below the load line",
    "Hello, world!",
    "W 42.5 kg",
    "0123456789",
    "abcdefghijklm",
    "nopqrstuvwxyz",
    "ABCDEFGHIJKLM",
    "NOPQRSTUVWXYZ",
    "A",
  ])("%s", async (text) => {
    const line = renderTextLine(text);
    const input = new Tensor("float32", Float32Array.from(toTensor(line)), [1, 3, 48, line.width]);
    const outputs = await session.run({ [inputName]: input }, [classesOutput, likelihoodOutput]);
    const body = JSON.stringify({
      outputs: Object.entries(outputs).map(([name, tensor]) => ({ name, data: Array.from(tensor.data, Number) })),
    });
    const reading = parseInferResponse(body, dictionary);
    expect(reading.text).toBe(text);
    expect(reading.classes).toHaveLength(line.width / 8);
    expect(reading.likelihood).toBeGreaterThan(0.3);
  });
});

describe("parseInferResponse", () => {
  test.each([
    ["HTML", "<html>", "not JSON"],
    ["null", "null", "no list of outputs"],
    ["a list of something else", '{"outputs":[1,null]}', "no numbers under the output classes"],
    ["an output without data", '{"outputs":[{"name":"classes","data":[]}]}', "no numbers under the output classes"],
    ["words for numbers", '{"outputs":[{"name":"classes","data":["1"]}]}', "no numbers under the output classes"],
    ["half an answer", '{"outputs":[{"name":"classes","data":[1]}]}', "no numbers under the output likelihood"],
  ])("%s is no reading", (_sentence, body, message) => {
    expect(() => parseInferResponse(body, ["", "a"])).toThrow(message);
  });
});

describe("renderTextLine", () => {
  test("a longer text makes a wider image, in steps of 8 pixels", () => {
    const widths = ["A", "AB", "ABC"].map((text) => renderTextLine(text).width);
    expect(widths).toEqual(widths.toSorted((a, b) => a - b));
    expect(widths.every((width) => width % 8 === 0)).toBe(true);
  });

  test.each([
    ["empty", ""],
    ["a space at the start", " A"],
    ["a space at the end", "A "],
    ["a letter outside ASCII", "Zürich"],
    ["a newline", "A\nB"],
    ["too long", "A".repeat(41)],
  ])("refuses a text that is or has %s, and says what is allowed", (_sentence, text) => {
    expect(() => renderTextLine(text)).toThrow(TextError);
    expect(() => renderTextLine(text)).toThrow("1 to 40 letters");
  });
});

test("the request holds the planes blue, green, red with white as 1 and black as -1", () => {
  const pixels = new Uint8ClampedArray(2 * 48 * 4).fill(255);
  pixels.set([0, 128, 255, 255]);
  const line = { text: "", width: 2, pixels, png: Buffer.of() };
  const request = JSON.parse(toInferRequest(line)) as { inputs: { shape: number[]; data: number[] }[] };
  const [input] = request.inputs;
  expect(input?.shape).toEqual([1, 3, 48, 2]);
  expect([0, 96, 192].map((index) => input?.data[index])).toEqual([1, 0, -1]);
  expect(input?.data.filter((value) => value === 1)).toHaveLength(3 * 96 - 2);
});

test("the picture for the terminal shows ink as blocks and leaves out empty rows", () => {
  const pixels = new Uint8ClampedArray(4 * 48 * 4).fill(255);
  const ink = (x: number, y: number) => pixels.set([0, 0, 0, 255], (y * 4 + x) * 4);
  for (const [x, y] of [0, 1].flatMap((dx) => [8, 9, 10, 11].map((row) => [dx, row] as const))) {
    ink(x, y);
  }
  for (const [x, y] of [2, 3].flatMap((dx) => [10, 11].map((row) => [dx, row] as const))) {
    ink(x, y);
  }
  expect(toBlocks({ text: "", width: 4, pixels, png: Buffer.of() })).toBe("█▄");
});
