// Settings of the benchmark, and what it says to those that it does not take.

import { expect, test } from "vitest";
import { OptionError, readOptions } from "./options.ts";

const read = (environment: Record<string, string>) =>
  readOptions(environment, ["mlp_ceiling", "memory"], ["node", "main.ts"]);

test("without settings", () => {
  expect(read({})).toEqual({
    repeats: 3,
    seconds: 3,
    only: [],
    serverCommand: ["node", "main.ts"],
    models: {
      tiny: { path: undefined, shapes: {} },
      mlp: { path: undefined, shapes: {} },
      resnet: { path: undefined, shapes: {} },
    },
  });
});

test.each<[string, Record<string, string>, object]>([
  ["repeats and seconds", { REPEATS: "5", SECONDS: "2" }, { repeats: 5, seconds: 2 }],
  ["empty is as not set, as make gives it", { REPEATS: "", ONLY: "", SERVER_COMMAND: " " }, { repeats: 3, only: [] }],
  ["scenarios with commas or spaces", { ONLY: "memory, mlp_ceiling" }, { only: ["memory", "mlp_ceiling"] }],
  ["another program", { SERVER_COMMAND: "node  dist/main.js" }, { serverCommand: ["node", "dist/main.js"] }],
  [
    "another model",
    { TINY_MODEL: "/models/a.onnx", TINY_SHAPES: '{"x": [1, 7]}' },
    { models: { tiny: { path: "/models/a.onnx", shapes: { x: [1, 7] } } } },
  ],
])("%s", (_name, environment, expected) => {
  expect(read(environment)).toMatchObject(expected);
});

test.each([
  [{ REPEATS: "0" }, 'REPEATS is "0": allowed are whole numbers from 1 to 99'],
  [{ SECONDS: "1.5" }, 'SECONDS is "1.5": allowed are whole numbers from 1 to 600'],
  [{ ONLY: "mlp" }, 'ONLY names "mlp": allowed are mlp_ceiling, memory'],
  [{ MLP_SHAPES: "1,2" }, 'MLP_SHAPES is "1,2": allowed is JSON'],
  [{ MLP_SHAPES: '{"x": [-1]}' }, "MLP_SHAPES is"],
  [{ MLP_SHAPES: "null" }, "MLP_SHAPES is"],
])("%j is refused", (environment, message) => {
  expect(() => read(environment as Record<string, string>)).toThrow(OptionError);
  expect(() => read(environment as Record<string, string>)).toThrow(message);
});
