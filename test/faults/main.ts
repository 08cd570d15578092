// `make test-faults`: every fault in every step of a story, each compared with a run in which nothing goes wrong.

import { cp } from "node:fs/promises";
import { join } from "node:path";
import type { Fault } from "./fault.ts";
import { makeFaults } from "./faults.ts";
import { killAfterWrite, type LastAnswer } from "./kills.ts";
import { playQuiet, playReference, playUnder, type Reference, type StepResult } from "./play.ts";
import { Scene } from "./scene.ts";
import { steps } from "./story.ts";

/** More writes than any step has: a story in which nothing was struck comes long before. */
const maxWrites = 40;
const startedAt = performance.now();
const only = process.env["ONLY"] ?? "";

function log(line: string): void {
  process.stdout.write(`${((performance.now() - startedAt) / 1000).toFixed(0).padStart(5)} s  ${line}\n`);
}

/** Where a fault of kind "killed" had something to kill. */
function note(result: StepResult, struck: readonly string[] | undefined): string {
  if (result.problems.length > 0) return "DIFFERS";
  return struck === undefined || struck.includes(result.step) ? "same" : "-";
}

class Table {
  failures = 0;

  add(name: string, results: readonly StepResult[], struck?: readonly string[]): void {
    const cells = results.map((result) => `${result.step} ${note(result, struck)} (${result.writes} writes)`);
    const problems = results.flatMap(({ step, problems: lines }) => lines.map((line) => `${step}: ${line}`));
    if (problems.length > 0) this.failures += 1;
    log(`${problems.length > 0 ? "FAIL" : "ok  "}  ${name}\n            ${cells.join(", ")}`);
    for (const problem of problems) log(`        ${problem}`);
  }
}

interface Stage {
  readonly scene: Scene;
  readonly reference: Reference;
  readonly table: Table;
}

async function playKills({ scene, reference, table }: Stage, answer: LastAnswer): Promise<void> {
  for (let k = 1; k <= maxWrites; k += 1) {
    const fault = killAfterWrite(k, answer, () => scene.crash());
    if (!fault.name.includes(only)) continue;
    table.add(fault.name, await playUnder(fault, { scene, reference, steps }), fault.struck);
    if (fault.struck.length === 0) return;
  }
}

async function playFault({ scene, reference, table }: Stage, fault: Fault): Promise<void> {
  if (fault.name.includes(only)) table.add(fault.name, await playUnder(fault, { scene, reference, steps }));
}

async function playQuietMinutes({ scene, table }: Stage): Promise<void> {
  const name = "ten quiet minutes";
  if (!name.includes(only)) return;
  const problems = await playQuiet(scene, 600).then(
    () => [],
    (error: Error) => [error.message],
  );
  table.add(name, [{ step: "apply", seconds: 600, writes: 0, problems }]);
}

async function main(): Promise<number> {
  await using scene = await Scene.start({ name: "faults" });
  await scene.startOperator();
  await scene.operatorAtWork();
  await scene.quiet(1_000);
  const reference = await playReference(scene, steps);
  log(`the reference: ${[...reference.keys()].join(", ")}`);
  const table = new Table();
  const stage = { scene, reference, table };
  await playQuietMinutes(stage);
  for (const fault of makeFaults(scene)) await playFault(stage, fault);
  for (const answer of ["delivered", "lost"] as const) await playKills(stage, answer);
  log(table.failures === 0 ? "every row ends as the reference" : `${table.failures} rows differ`);
  const keptLog = process.env["OPERATOR_LOG"];
  if (keptLog !== undefined && keptLog !== "") await cp(scene.log, join(keptLog));
  return table.failures;
}

process.exitCode = (await main()) === 0 ? 0 : 1;
