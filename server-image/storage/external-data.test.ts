// Which files a model names, found in every place where ONNX has tensors, and which of them are refused.

import { mkdir, mkdtemp, open, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { testModel } from "../test-server.ts";
import { externalLocations, requireInFolder } from "./external-data.ts";
import { encodeMessage, type Field, model, modelOfSize, modelWithExternalData, tensor } from "./testing/onnx.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "plimsoll-external-test-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function locationsIn(bytes: Uint8Array): Promise<string[]> {
  const file = path.join(folder, "model.onnx");
  await writeFile(file, bytes);
  return [...(await externalLocations(file, "it"))];
}

describe("found", () => {
  test("in a model that the package onnx wrote, with weights of its own and in two branches", async () => {
    const locations = await externalLocations(testModel("external-data/model"), "it");
    expect([...locations].toSorted()).toEqual(["w1", "w2", "w3"]);
    await requireInFolder(testModel("external-data/model"), locations, "it");
  });

  test.each(["add-sub", "busy", "constant", "identity-bytes"])("none in %s, which has none", async (name) => {
    expect(await externalLocations(testModel(name), "it")).toEqual(new Set());
  });

  const here = tensor({ location: "here" });
  const inAttribute = (field: Field): readonly Field[] => [[1, [[5, [field]]]]];
  const PLACES: readonly [string, readonly Field[]][] = [
    ["an initializer", [[7, [[5, here]]]]],
    ["a sparse initializer's values", [[7, [[15, [[1, here]]]]]]],
    ["a sparse initializer's indices", [[7, [[15, [[2, here]]]]]]],
    ["an attribute", [[7, inAttribute([5, here])]]],
    ["a list in an attribute", [[7, inAttribute([10, here])]]],
    ["a sparse tensor in an attribute", [[7, inAttribute([22, [[1, here]]])]]],
    ["a list of sparse tensors in an attribute", [[7, inAttribute([23, [[2, here]]])]]],
    ["a branch", [[7, inAttribute([6, [[5, here]]])]]],
    ["one of several graphs", [[7, inAttribute([11, [[5, here]]])]]],
    ["a branch in a branch", [[7, inAttribute([6, inAttribute([6, [[5, here]]])])]]],
    ["a function", [[25, [[7, [[5, [[5, here]]]]]]]]],
    ["a function's default", [[25, [[11, [[5, here]]]]]]],
    ["the training's start", [[20, [[1, [[5, here]]]]]]],
    ["the training's step", [[20, [[2, [[5, here]]]]]]],
    [
      "a second graph, which protobuf merges with the first",
      [
        [7, []],
        [7, [[5, here]]],
      ],
    ],
  ];
  test.each(PLACES)("in %s", async (_name, fields) => {
    expect(await locationsIn(encodeMessage(fields))).toEqual(["here"]);
  });

  test("whatever else the message holds, and however large it is", async () => {
    const numbers = fc.oneof(fc.nat(), fc.uint8Array({ maxLength: 70_000 }));
    // Numbers of fields that ONNX gives to no message with tensors in it.
    const field = fc.tuple(fc.integer({ min: 30, max: 2 ** 20 }), numbers);
    await fc.assert(
      fc.asyncProperty(
        fc.array(field),
        fc.array(field),
        fc.string({ maxLength: 4000 }),
        async (before, after, location) => {
          const entry: Field = [
            13,
            [
              [1, "location"],
              [2, location],
            ],
          ];
          const bytes = model([...before, [5, [...before, entry, ...after]], ...after]);
          expect(await locationsIn(bytes)).toEqual([location]);
        },
      ),
      { numRuns: 50 },
    );
  });

  test("without reading the weights: a sparse file of 2 GB takes no time", async () => {
    const size = 2 ** 31 - 1000;
    const head = Buffer.from(encodeMessage([[1, 8]]));
    const length = (value: number) => Buffer.from(encodeMessage([[0, value]])).subarray(1);
    // raw_data of a tensor of a graph, from the inside out; the bytes themselves are a hole in the file.
    const rawData = Buffer.concat([Buffer.from([9 * 8 + 2]), length(size)]);
    const tensorHead = Buffer.concat([Buffer.from([5 * 8 + 2]), length(rawData.length + size), rawData]);
    const graphHead = Buffer.concat([Buffer.from([7 * 8 + 2]), length(tensorHead.length + size)]);
    const start = Buffer.concat([head, graphHead, tensorHead]);
    const file = path.join(folder, "model.onnx");
    await writeFile(file, start);
    const end = encodeMessage([[7, [[5, tensor({ location: "after" })]]]]);
    const handle = await open(file, "r+");
    await handle.write(end, 0, end.length, start.length + size);
    await handle.close();
    expect([...(await externalLocations(file, "it"))]).toEqual(["after"]);
  });
});

describe("no ONNX model", () => {
  const nested = (depth: number): readonly Field[] => (depth === 0 ? [] : [[1, [[5, [[6, nested(depth - 1)]]]]]]);
  const CASES: readonly [string, Uint8Array][] = [
    ["text", Buffer.from("#!/usr/bin/env node\n")],
    ["cut off in a field", model([[5, tensor({ location: "x" })]]).subarray(0, -5)],
    ["cut off in a length", Buffer.from([0x3a, 0xff])],
    ["a length beyond its message", Buffer.from([0x3a, 0x04, 0x2a, 0x7f, 0x00, 0x00])],
    ["a group", Buffer.from([0x0b, 0x0c])],
    ["an unknown wire type", Buffer.from([0x0f])],
    ["a number beyond its message", Buffer.from([0x3a, 0x02, 0x08, 0xff, 0x01])],
    ["nested too deep", model(nested(40))],
    [
      "external data without end",
      model([
        [
          5,
          [
            [
              13,
              [
                [1, "location"],
                [2, "x".repeat(20_000)],
              ],
            ],
          ],
        ],
      ]),
    ],
  ];
  test.each(CASES)("%s", async (_name, bytes) => {
    const failing = locationsIn(bytes);
    await expect(failing).rejects.toThrow(/^it: this is no ONNX model: /);
    await expect(failing).rejects.toMatchObject({ code: "MODEL_INVALID", phase: "load" });
  });

  test("any bytes are either read or refused", async () => {
    const whole = modelWithExternalData("weights.bin");
    const changed = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(changed, async (changes) => {
        const bytes = Buffer.from(whole);
        for (const [index, value] of changes) {
          bytes[index] = value;
        }
        await locationsIn(bytes).catch((error: unknown) => expect(error).toMatchObject({ code: "MODEL_INVALID" }));
      }),
    );
  });
});

describe("where external data may be", () => {
  async function requireAt(location: string): Promise<void> {
    const file = path.join(folder, "model/model.onnx");
    await requireInFolder(file, new Set([location]), "it");
  }

  beforeEach(async () => {
    for (const file of [
      "model/weights.bin",
      "model/a/b.bin",
      "outside/secret",
      "model-2/secret",
      "model/*/_ORT_MEM_ADDR_/*",
    ]) {
      await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
      await writeFile(path.join(folder, file), modelOfSize(10));
    }
    await symlink("weights.bin", path.join(folder, "model/inside"));
    await symlink("../outside/secret", path.join(folder, "model/link"));
    await symlink("../outside", path.join(folder, "model/folder"));
    await symlink("../model-2/secret", path.join(folder, "model/neighbour"));
  });

  test.each(["weights.bin", "./weights.bin", "a/b.bin", "a//b.bin", "inside"])(
    "%s is in the model's folder",
    async (location) => {
      await expect(requireAt(location)).resolves.toBeUndefined();
    },
  );

  const REFUSED: readonly [string, string, RegExp][] = [
    ["../outside/secret", "UNSAFE_PATH", /it: its external data is at "..\/outside\/secret"; everything must stay/],
    ["a/../../outside/secret", "UNSAFE_PATH", /everything must stay inside the model's folder/],
    ["/etc/passwd", "UNSAFE_PATH", /"\/etc\/passwd"/],
    ["..\\outside\\secret", "UNSAFE_PATH", /everything must stay/],
    ["C:\\secret", "UNSAFE_PATH", /everything must stay/],
    ["weights.bin\0", "UNSAFE_PATH", /everything must stay/],
    ["", "UNSAFE_PATH", /everything must stay/],
    [".", "UNSAFE_PATH", /everything must stay/],
    ["*/_ORT_MEM_ADDR_/*", "UNSAFE_PATH", /everything must stay/],
    ["link", "UNSAFE_PATH", /"link" is a link out of its folder/],
    ["folder/secret", "UNSAFE_PATH", /"folder\/secret" is a link out of its folder/],
    ["neighbour", "UNSAFE_PATH", /"neighbour" is a link out of its folder/],
    ["missing.bin", "MODEL_NOT_FOUND", /it: its external data "missing.bin" is not beside it/],
    ["a", "MODEL_NOT_FOUND", /"a" is not beside it/],
  ];
  test.each(REFUSED)("%j is refused", async (location, code, message) => {
    const failing = requireAt(location);
    await expect(failing).rejects.toThrow(message);
    await expect(failing).rejects.toMatchObject({ code });
  });
});
