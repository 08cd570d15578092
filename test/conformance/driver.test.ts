// What is learnt of drivers: failures with their stacks, and cases that were never run.

import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { findPython } from "../python/environment.ts";
import { listCases, runDriver } from "./driver.ts";

const mixed = fileURLToPath(new URL("fixtures/mixed.py", import.meta.url));
const server = { http: "127.0.0.1:1", grpc: "127.0.0.1:2", model_name: "m", model_path: "/m.onnx" };
const python = await findPython();

describe.runIf(python !== undefined)("with a Python", () => {
  const command = python?.command ?? "";

  test("all cases are listed, without running any", async () => {
    expect(await listCases(command, mixed)).toEqual(["passes", "row fails", "ends the program", "never comes"]);
  });

  test("a failure comes with its stack; cases after an early end are missing, and the end is told", async () => {
    const { results, printed } = await runDriver(command, mixed, { a: server });
    expect([...results.keys()]).toEqual(["passes", "row fails"]);
    expect(results.get("passes")).toEqual({ name: "passes", ok: true, detail: "" });
    expect(results.get("row fails")).toMatchObject({ ok: false, detail: expect.stringContaining("one is not two") });
    expect(printed).toContain("what a client prints is no report");
    expect(printed).toContain("ended with code 3");
  });
});
