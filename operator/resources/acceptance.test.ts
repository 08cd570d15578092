// The flags that say what a model must show: the same JSON as in the manifest, and nothing that Kubernetes replaces.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseInferenceService } from "../api/inference-service.ts";
import { makeInferenceService } from "../api/testing.ts";
import { acceptanceArguments } from "./acceptance.ts";
import { makePodTemplate } from "./pod-template.ts";

const request = '{"inputs": [{"name": "x", "datatype": "INT64", "shape": [1], "data": [9007199254740993]}]}';

test("absent: no flags", () => {
  expect(acceptanceArguments({})).toEqual([]);
});

test("the contract, in one order of keys", () => {
  const tensor = { shape: [-1, 2], datatype: "FP32" as const, name: "x" };
  expect(acceptanceArguments({ contract: { inputs: [tensor] } })).toEqual([
    '--contract={"inputs":[{"name":"x","datatype":"FP32","shape":[-1,2]}]}',
  ]);
});

test("the smoke test, with numbers as they were written", () => {
  const smokeTest = { request: ` ${request}\n`, expected: '[{"name": "y", "data": [1]}]', tolerance: 0.01 };
  expect(acceptanceArguments({ smokeTest })).toEqual([
    `--smoke-test={"request":${request},"outputs":[{"name": "y", "data": [1]}],"tolerance":0.01}`,
  ]);
});

test("no text is taken for a reference to a variable, and all of it stays the same", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.constantFrom("$(HOME)", "\\$(A)", "$$(A)")), (text) => {
      const [flag = ""] = acceptanceArguments({ smokeTest: { request: JSON.stringify({ text }) } });
      expect(flag).not.toContain("$");
      expect(JSON.parse(flag.slice("--smoke-test=".length))).toEqual({ request: { text } });
    }),
  );
});

test("pods get them, and are another revision with them", () => {
  const template = (model: object) =>
    makePodTemplate(makeInferenceService({ model: { ...model } }), { serverImage: "plimsoll/server:dev" });
  const [plain, tested] = [template({}), template({ smokeTest: { request } })];
  expect(tested.spec?.containers[0]?.args).toContain(`--smoke-test={"request":${request}}`);
  expect(tested.metadata?.labels).not.toEqual(plain.metadata?.labels);
});

describe("the spec refuses, by name", () => {
  test.each([
    ["a request that is no JSON", { request: "{x" }, /must be the text of a JSON object[^]*smokeTest.request/],
    ["a request that is a list", { request: "[]" }, /must be the text of a JSON object/],
    ["expected outputs that are no list", { request, expected: "{}" }, /must be the text of a JSON list/],
    ["more bytes than fit", { request: JSON.stringify({ a: "é".repeat(20_000) }) }, /must be at most 32768 bytes/],
  ])("%s", (_name, smokeTest, message) => {
    const { spec, ...service } = makeInferenceService();
    const model = { ...spec.predictor.model, smokeTest };
    const parsed = parseInferenceService({ ...service, spec: { predictor: { ...spec.predictor, model } } });
    expect(parsed.error?.issues.map(({ message: text, path }) => `${text} at ${path.join(".")}`).join()).toMatch(
      message,
    );
  });
});
