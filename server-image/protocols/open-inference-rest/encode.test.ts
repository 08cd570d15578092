// Answers as clients take them apart: JSON and binary outputs in any mix, exact lengths, nothing large copied.

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { encodeBinaryData } from "../../tensors/binary-encode.ts";
import { DATATYPES, type Datatype, elementBytes, type Tensor } from "../../tensors/datatypes.ts";
import { encodeJsonData } from "../../tensors/json-encode.ts";
import type { HttpAnswer } from "../http/exchange.ts";
import { takeApart } from "./binary-answer.ts";
import { encodeInferResponse } from "./encode.ts";
import { prepareModel } from "./prepared-model.ts";

function encode(outputs: readonly Tensor[], binary: readonly boolean[], id?: string): HttpAnswer {
  const specs = outputs.map(({ name, datatype }) => ({ name, datatype, shape: [-1] }));
  const model = prepareModel({ name: "mä", version: "3", platform: "onnx_onnxv1", inputs: [], outputs: specs });
  const outputForms = outputs.flatMap(
    ({ name }, index) => (binary[index] === true ? model.binaryForms : model.jsonForms).get(name) ?? [],
  );
  return encodeInferResponse(model, { id, outputForms }, outputs);
}

function bodyOf({ body }: HttpAnswer): Buffer {
  return typeof body === "string" || body instanceof Uint8Array ? Buffer.from(body) : Buffer.concat(body);
}

function anyTensorOf(datatype: Datatype): fc.Arbitrary<Omit<Tensor, "name">> {
  if (datatype === "BYTES") {
    const texts = fc.array(
      fc.string({ unit: "grapheme" }).filter((text) => text.isWellFormed()),
      { maxLength: 9 },
    );
    return texts.map((data) => ({ datatype, shape: [data.length], data }));
  }
  const size = elementBytes(datatype);
  return fc.uint8Array({ maxLength: 64, max: datatype === "BOOL" ? 1 : 255 }).map((bytes) => {
    const count = Math.floor(bytes.length / size);
    return { datatype, shape: [count], data: bytes.subarray(0, count * size) };
  });
}

const anyOutput = fc
  .constantFrom(...DATATYPES)
  .chain((datatype) => fc.record({ tensor: anyTensorOf(datatype), binary: fc.boolean() }))
  .map(({ tensor, binary }) => ({ tensor, binary: binary || tensor.datatype === "FP16" }));

test("any outputs in any mix of forms arrive as they were", () => {
  const anyOutputs = fc.array(fc.tuple(fc.string(), anyOutput), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(anyOutputs, fc.option(fc.string({ unit: "binary" }), { nil: undefined }), (named, id) => {
      const outputs = named.map(([name, { tensor }], index) => ({ name: `${index}${name}`, ...tensor }));
      const binary = named.map(([, output]) => output.binary);
      const answer = encode(outputs, binary, id);
      const body = bodyOf(answer);
      if (!binary.includes(true)) {
        expect(answer.headers).toEqual({ "content-type": "application/json" });
      }
      const length = answer.headers?.["Inference-Header-Content-Length"] ?? String(body.length);
      const text = body.toString("utf8", 0, Number(length));
      expect(text).toMatch(/^[\0-\x7f]*\{"model_name":"m\\u00e4","model_version":"3","id":"/);
      for (const [index, tensor] of outputs.entries()) {
        if (binary[index] !== true) {
          expect(text).toContain(`"shape":[${tensor.shape.join()}],"data":${encodeJsonData(tensor).toString()}}`);
        }
      }
      if (!/NaN|Infinity/.test(text)) {
        const { head, binary: arrived } = takeApart(body, length);
        expect(head.id).toBe(id ?? head.id);
        expect(head.outputs.map(({ name, datatype, shape }) => ({ name, datatype, shape }))).toEqual(
          outputs.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
        );
        expect([...arrived]).toEqual(
          outputs
            .filter((_, index) => binary[index])
            .map((tensor) => [tensor.name, Buffer.from(encodeBinaryData(tensor))]),
        );
      }
    }),
    { numRuns: 500 },
  );
});

const FLOATS: Tensor = { name: "y", datatype: "FP32", shape: [2], data: new Uint8Array(Float32Array.of(1, 2).buffer) };

describe("binary answers", () => {
  test("say so", () => {
    const { headers } = encode([FLOATS], [true]);
    expect(headers).toMatchObject({ "content-type": "application/octet-stream" });
    expect(Object.keys(headers ?? {})).toContain("Inference-Header-Content-Length");
  });

  test("of nothing have the header and a size of 0", () => {
    const answer = encode([{ ...FLOATS, shape: [0], data: new Uint8Array(0) }], [true]);
    const body = bodyOf(answer);
    expect(answer.headers?.["Inference-Header-Content-Length"]).toBe(String(body.length));
    expect(JSON.parse(body.toString())).toMatchObject({
      outputs: [{ shape: [0], parameters: { binary_data_size: 0 } }],
    });
  });

  test("have large tensors as parts of their own, not copied", () => {
    const data = new Uint8Array(100_000);
    const { body } = encode([{ ...FLOATS, shape: [25_000], data }], [true]);
    expect(body).toHaveLength(2);
    expect((body as Uint8Array[])[1]).toBe(data);
  });
});

test("an id is made where none is given, another one each time", () => {
  const ids = [1, 2].map(() => (JSON.parse(bodyOf(encode([FLOATS], [false])).toString()) as { id: string }).id);
  expect(ids[0]).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  expect(ids[1]).not.toBe(ids[0]);
});

test("a scalar has an empty shape", () => {
  const body = bodyOf(encode([{ ...FLOATS, shape: [], data: new Uint8Array(4) }], [false]));
  expect(JSON.parse(body.toString())).toMatchObject({
    outputs: [{ name: "y", datatype: "FP32", shape: [], data: [0] }],
  });
});

test("an output that was not asked for is a fault of this server", () => {
  const model = prepareModel({ name: "m", version: "1", platform: "", inputs: [], outputs: [] });
  expect(() => encodeInferResponse(model, { id: "i", outputForms: [] }, [FLOATS])).toThrow(
    'output "y" was not asked for',
  );
});
