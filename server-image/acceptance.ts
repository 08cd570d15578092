// What a loaded model must show before it may serve: the inputs and outputs it was promised with, and a sample request.

import type { Command } from "commander";
import { text } from "./flags.ts";
import { InferenceError } from "./inference-error.ts";
import { LoadError } from "./load-error.ts";
import type { LoadedModel } from "./models/load-model.ts";
import { nearlyEqual } from "./models/nearly-equal.ts";
import { decodeInferRequest } from "./protocols/open-inference-rest/decode.ts";
import { prepareModel } from "./protocols/open-inference-rest/prepared-model.ts";
import { type FixedSizeDatatype, type Tensor, type TensorSpec, typedView } from "./tensors/datatypes.ts";
import { decodeJsonData } from "./tensors/json-decode.ts";
import { parseText } from "./tensors/json-text.ts";
import { readShape, showShape } from "./tensors/shape.ts";

export interface AcceptanceSettings {
  /** JSON: `{"inputs": [{"name", "datatype", "shape"}], "outputs": [...]}`, each list optional. */
  readonly contract: string | undefined;
  /** JSON: `{"request", "outputs", "tolerance"}`; without `outputs` the request must only succeed. */
  readonly smokeTest: string | undefined;
}

/** The values of the flags when they are not given. */
export const ACCEPTANCE_NOT_GIVEN = { contract: undefined, smokeTest: undefined } as const;

/** Of the largest magnitude in either answer. */
const DEFAULT_TOLERANCE = 1e-3;
/** Elements of a tensor in a message. */
const SHOWN_ELEMENTS = 6;

export function addAcceptanceOptions(command: Command): void {
  command
    .addOption(
      text(
        "--contract <json>",
        'inputs and outputs that the model must have: {"inputs": [{"name", "datatype", "shape"}], "outputs": [...]}; -1 in a shape: any size',
      ),
    )
    .addOption(
      text(
        "--smoke-test <json>",
        'a request that must succeed before the server is ready: {"request": the body, "outputs": those expected (optional), "tolerance": of the largest magnitude (0.001)}',
      ),
    );
}

type AcceptedModel = Pick<LoadedModel, "metadata" | "runner">;

/** Rejects with a LoadError `CONTRACT_MISMATCH` or `SMOKE_TEST_FAILED` where the model is not as it was promised. */
export async function acceptModel(model: AcceptedModel, { contract, smokeTest }: AcceptanceSettings): Promise<void> {
  if (contract !== undefined) {
    checkContract(model, contract);
  }
  if (smokeTest !== undefined) {
    await runSmokeTest(model, smokeTest);
  }
}

function checkContract({ metadata }: AcceptedModel, contract: string): void {
  const promised = parse(contract, "CONTRACT_MISMATCH", "--contract");
  for (const kind of ["inputs", "outputs"] as const) {
    const expected = promised[kind];
    if (expected === undefined) {
      continue;
    }
    if (!Array.isArray(expected) || !expected.every(isTensorSpec)) {
      const message = `--contract: "${kind}" must be a list of {"name", "datatype", "shape"}`;
      throw new LoadError("warm-up", "CONTRACT_MISMATCH", message);
    }
    const [wanted, present] = [expected.map(show), metadata[kind].map(show)];
    const missing = wanted.filter((one) => !present.includes(one));
    const surplus = present.filter((one) => !wanted.includes(one));
    if (missing.length > 0 || surplus.length > 0) {
      const message = `the model's ${kind} are ${list(present)}; the contract says ${list(wanted)}`;
      throw new LoadError("warm-up", "CONTRACT_MISMATCH", message);
    }
  }
}

function isTensorSpec(value: Partial<TensorSpec> | null): value is TensorSpec {
  return typeof value?.name === "string" && typeof value.datatype === "string" && Array.isArray(value.shape);
}

function show({ name, datatype, shape }: TensorSpec): string {
  return `${JSON.stringify(name)} (${datatype} ${showShape(shape)})`;
}

function list(items: readonly string[]): string {
  return items.length === 0 ? "none" : items.join(", ");
}

async function runSmokeTest({ metadata, runner }: AcceptedModel, smokeTest: string): Promise<void> {
  const {
    request,
    outputs: expected,
    tolerance = DEFAULT_TOLERANCE,
  } = parse(smokeTest, "SMOKE_TEST_FAILED", "--smoke-test");
  if (typeof tolerance !== "number") {
    throw failed('"tolerance" must be a number');
  }
  let answer: readonly Tensor[];
  try {
    const body = Buffer.from(writeJson(request));
    const { inputs, outputNames } = decodeInferRequest(body, undefined, prepareModel(metadata));
    ({ outputs: answer } = await runner.run({ inputs, outputNames }));
  } catch (error) {
    throw asFailure(error);
  }
  if (expected === undefined) {
    return;
  }
  if (!Array.isArray(expected)) {
    throw failed('"outputs" must be a list');
  }
  for (const one of expected) {
    compare(one as ExpectedOutput, answer, tolerance);
  }
}

interface ExpectedOutput {
  readonly name: string;
  /** Absent: the answer's. */
  readonly shape?: unknown;
  readonly data: unknown;
}

function compare({ name, shape, data }: ExpectedOutput, answer: readonly Tensor[], tolerance: number): void {
  const what = `output ${JSON.stringify(name)}`;
  const actual = answer.find((output) => output.name === name);
  if (actual === undefined) {
    throw failed(
      `${what} is expected, but the answer has ${list(answer.map((output) => JSON.stringify(output.name)))}`,
    );
  }
  let expected: Tensor;
  try {
    const wanted = shape === undefined ? actual.shape : readShape(shape, `expected ${what}`);
    const { datatype } = actual;
    expected = { name, datatype, shape: wanted, data: decodeJsonData(datatype, wanted, data, `expected ${what}`) };
  } catch (error) {
    throw asFailure(error);
  }
  if (!nearlyEqual(actual, expected, tolerance)) {
    throw failed(`${what} is ${sample(actual)}; expected was ${sample(expected)}, within ${tolerance} of the largest`);
  }
}

function sample({ datatype, shape, data }: Tensor): string {
  const elements: ArrayLike<unknown> =
    data instanceof Uint8Array ? typedView(datatype as FixedSizeDatatype, data) : data;
  const shown = Array.from({ length: Math.min(elements.length, SHOWN_ELEMENTS) }, (_, index) =>
    String(elements[index]).slice(0, 40),
  );
  const rest = elements.length > SHOWN_ELEMENTS ? ", ..." : "";
  return `${showShape(shape)} [${shown.join(", ")}${rest}]`;
}

function parse(json: string, code: "CONTRACT_MISMATCH" | "SMOKE_TEST_FAILED", flag: string): Record<string, unknown> {
  let value: unknown;
  try {
    // Integers that a double cannot hold stay what they are.
    value = parseText(json, true);
  } catch (error) {
    throw new LoadError("warm-up", code, `${flag} is no JSON: ${messageOf(error)}`, { cause: error });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new LoadError("warm-up", code, `${flag} must be a JSON object`);
  }
  return value as Record<string, unknown>;
}

/** Not in TypeScript's library yet. */
const { rawJSON } = JSON as unknown as { readonly rawJSON: (text: string) => unknown };

/** As JSON.stringify, with integers that a double cannot hold. */
function writeJson(value: unknown): string {
  return (
    JSON.stringify(value, (_key, inner: unknown) => (typeof inner === "bigint" ? rawJSON(inner.toString()) : inner)) ??
    "null"
  );
}

function asFailure(error: unknown): unknown {
  return error instanceof InferenceError ? failed(messageOf(error), error) : error;
}

function failed(message: string, cause?: unknown): LoadError {
  return new LoadError("warm-up", "SMOKE_TEST_FAILED", `the smoke test failed: ${message}`, { cause });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
