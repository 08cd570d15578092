// A representative part of the fault matrix; `make test-faults` runs all of it.

import { afterAll, beforeAll, expect, test } from "vitest";
import type { Fault } from "../faults/fault.ts";
import { makeFaults } from "../faults/faults.ts";
import { killAfterWrite } from "../faults/kills.ts";
import { playQuiet, playReference, playUnder, type Reference } from "../faults/play.ts";
import { Scene } from "../faults/scene.ts";
import type { StepName } from "../faults/story.ts";

const steps: readonly StepName[] = ["apply", "edit", "delete"];
let scene: Scene;
let reference: Reference;

beforeAll(async () => {
  scene = await Scene.start({ name: "faults" });
  await scene.startOperator();
  await scene.operatorAtWork();
  await scene.quiet(1_000);
  reference = await playReference(scene, steps);
});

afterAll(async () => {
  await scene?.[Symbol.asyncDispose]();
});

async function problemsUnder(fault: Fault): Promise<readonly string[]> {
  const results = await playUnder(fault, { scene, reference, steps });
  return results.flatMap(({ step, problems }) => problems.map((problem) => `${step}: ${problem}`));
}

test("while nothing happens, nothing is written", async () => {
  await playQuiet(scene, 40);
});

test.each([2, 3, 5])("an operator killed after write %i of each step ends where one does that lives", async (k) => {
  const fault = killAfterWrite(k, k % 2 === 0 ? "lost" : "delivered", () => scene.crash());
  expect(await problemsUnder(fault)).toEqual([]);
  expect(fault.struck).toContain("apply");
});

test.each(["409 to half of all changes", "restarted on lists from before the step"])(
  "%s: each step ends as without it",
  async (name) => {
    const fault = makeFaults(scene).find((candidate) => candidate.name === name);
    if (fault === undefined) throw new Error(`there is no fault "${name}"`);
    expect(await problemsUnder(fault)).toEqual([]);
  },
);

test("the reference holds the fields of another program, so that losing them would be a difference", () => {
  expect(JSON.stringify(reference.get("edit")?.world)).toContain("example.com/note");
});
