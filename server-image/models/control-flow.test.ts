// Loops are found by the operator that stands in the file; models without one are known to have none.

import { expect, test } from "vitest";

import { testModel } from "../test-server.ts";
import { mayHaveControlFlow } from "./control-flow.ts";

test.each([
  ["busy", true],
  ["identity-rows", false],
  ["add-sub", false],
  ["odd-names", false],
])("%s: %s", async (model, expected) => {
  expect(await mayHaveControlFlow(testModel(model))).toBe(expected);
});
