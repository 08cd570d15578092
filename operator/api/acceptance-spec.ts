// What a loaded model must show before it takes requests, as part of the spec: its contract and a smoke test.

import { z } from "zod";
import { validations } from "./field-kinds.ts";

const tensor = z.object({
  name: z.string().min(1).max(256).describe("Name of the input or output, e.g. images."),
  datatype: z
    .enum([
      "BOOL",
      "UINT8",
      "UINT16",
      "UINT32",
      "UINT64",
      "INT8",
      "INT16",
      "INT32",
      "INT64",
      "FP16",
      "FP32",
      "FP64",
      "BYTES",
    ])
    .describe("Datatype in the words of the Open Inference Protocol, e.g. FP32."),
  shape: z
    .array(z.int().min(-1).max(1_000_000_000).describe("Number of elements of the dimension, -1: any."))
    .max(16)
    .describe("Number of elements of each dimension as the model declares it, -1: any, e.g. [-1, 3, 224, 224].")
    .meta({ "x-kubernetes-list-type": "atomic" }),
});

const tensors = () =>
  z
    .array(tensor)
    .max(64)
    .optional()
    .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"] });

const contract = z
  .object({
    inputs: tensors().describe("All inputs that the model must have, and no others. Absent: any."),
    outputs: tensors().describe("All outputs that the model must have, and no others. Absent: any."),
  })
  .meta(
    validations({
      rule: "has(self.inputs) || has(self.outputs)",
      message: "must have inputs or outputs: leave contract out where there is none",
    }),
  );

/** A pod carries both texts in one flag, of which Linux takes 128 KiB. */
const maxBytes = 32_768;

function jsonText(kind: "object" | "list") {
  return z
    .string()
    .min(2)
    .max(maxBytes)
    .refine((text) => new TextEncoder().encode(text).length <= maxBytes, `must be at most ${maxBytes} bytes`)
    .refine((text) => kindOf(text) === kind, `must be the text of a JSON ${kind}`);
}

function kindOf(text: string): "object" | "list" | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value)) return "list";
    return typeof value === "object" && value !== null ? "object" : undefined;
  } catch {
    return undefined;
  }
}

const smokeTest = z
  .object({
    request: jsonText("object").describe(
      'JSON text of an inference request as it is sent to /v2/models/NAME/infer, at most 32 KiB, e.g. {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [2]}]}.',
    ),
    expected: jsonText("list")
      .optional()
      .describe(
        'JSON text of outputs that the answer must have, at most 32 KiB, e.g. [{"name": "y", "data": [4]}]. Absent: the request must only succeed.',
      ),
    tolerance: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe(
        "How far numbers may be from expected, in the unit of the largest one in either: 0.01 is one percent of it. Default: 0.001.",
      ),
  })
  .meta(
    validations({
      rule: "!has(self.tolerance) || has(self.expected)",
      message: "must only be given with expected: nothing is compared without it",
      fieldPath: ".tolerance",
    }),
  );

export const acceptanceFields = {
  contract: contract
    .optional()
    .describe("Inputs and outputs that the model must have; another model never takes a request. Absent: any."),
  smokeTest: smokeTest
    .optional()
    .describe(
      "A request that each pod must answer as expected before it takes others. Absent: a pod is ready once the model has run on made-up inputs.",
    ),
};

export type Acceptance = z.output<z.ZodObject<typeof acceptanceFields>>;

/** Flags of the inference server that follow from them. */
export const acceptanceFlags = { contract: "--contract", smokeTest: "--smoke-test" } as const;
