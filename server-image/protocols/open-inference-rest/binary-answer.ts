// For tests: takes an answer with binary tensors apart as the protocol's clients do.

import { expect } from "vitest";

export interface AnswerHead {
  readonly model_name: string;
  readonly model_version: string;
  readonly id: string;
  readonly outputs: readonly {
    readonly name: string;
    readonly datatype: string;
    readonly shape: readonly number[];
    readonly data?: readonly unknown[];
    readonly parameters?: { readonly binary_data_size: number };
  }[];
}

/** The JSON part, and the bytes of each binary output by name. */
export function takeApart(
  body: Buffer,
  headerLength: string | null,
): { head: AnswerHead; binary: Map<string, Buffer> } {
  expect(headerLength).toMatch(/^\d+$/);
  const start = Number(headerLength);
  const head = JSON.parse(body.toString("utf8", 0, start)) as AnswerHead;
  const binary = new Map<string, Buffer>();
  let offset = start;
  for (const { name, data, parameters } of head.outputs) {
    if (parameters === undefined) {
      expect(data).toBeDefined();
    } else {
      expect(data).toBeUndefined();
      binary.set(name, body.subarray(offset, offset + parameters.binary_data_size));
      offset += parameters.binary_data_size;
    }
  }
  expect(body).toHaveLength(offset);
  return { head, binary };
}
