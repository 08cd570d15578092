// Tests of running system programs.

import { execFileSync } from "node:child_process";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { runCommand, shellWord } from "./commands.ts";

describe("runCommand", () => {
  test("passes its input and resolves at the program's end", async () => {
    await runCommand(["sh", "-c", 'read -r line; test "$line" = hello'], "hello\n");
  });

  test("a failure names the command and what it said", async () => {
    await expect(runCommand(["sh", "-c", "echo no such link >&2; exit 3"])).rejects.toThrow(
      /^sh -c .* failed: no such link$/,
    );
    await expect(runCommand(["sh", "-c", "exit 3"])).rejects.toThrow("failed: exit code 3");
  });

  test("a program that is not there is an error", async () => {
    await expect(runCommand(["/no/such/program"])).rejects.toThrow("ENOENT");
  });
});

test("a shell reads every text back from its word", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "'", '"', "\\", "$", " ", "\n", "`", ";"), maxLength: 12 });
  fc.assert(
    fc.property(text, (word) => {
      expect(execFileSync("sh", ["-c", `printf %s ${shellWord(word)}`], { encoding: "utf8" })).toBe(word);
    }),
    { numRuns: 30 },
  );
});
