// Answers without a model: as many rows as were asked, in memory of their own.

import { expect, test } from "vitest";

import { bytesIn, numbersOf, tensorOf } from "../models/test-runner.ts";
import type { Tensor } from "../tensors/datatypes.ts";
import { CannedRunner } from "./canned-runner.ts";

const Y = tensorOf("y", [1, 2], [1, 2]);
const TEXTS: Tensor = { name: "t", datatype: "BYTES", shape: [1, 1], data: ["a"] };
const asking = (rows: number) => ({
  inputs: [
    tensorOf(
      "x",
      [rows, 1],
      Array.from({ length: rows }, () => 0),
    ),
  ],
  outputNames: ["y", "t"],
});

test("the outputs of one row, for as many rows as the run has", async () => {
  const { outputs } = await new CannedRunner([Y, TEXTS], true).run(asking(3));
  expect(outputs).toEqual([
    tensorOf("y", [3, 2], [1, 2, 1, 2, 1, 2]),
    { name: "t", datatype: "BYTES", shape: [3, 1], data: ["a", "a", "a"] },
  ]);
});

test("as they are where requests are not joined", async () => {
  const { outputs } = await new CannedRunner([Y], false).run(asking(3));
  expect(outputs).toEqual([Y]);
});

test("the memory of inputs comes back, that of outputs is not shared", async () => {
  const runner = new CannedRunner([Y], true);
  const request = asking(1);
  const { outputs, freed } = await runner.run(request);
  expect(freed).toEqual([bytesIn(request.inputs[0]).buffer]);
  bytesIn(outputs[0]).fill(0);
  expect(numbersOf((await runner.run(asking(1))).outputs[0])).toEqual([1, 2]);
});
