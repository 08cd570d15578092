// The catalogue of errors: one stable code per class, and the questions that callers ask of an error.

import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import {
  AnswerTooLargeError,
  ApiError,
  ConflictError,
  ConnectionError,
  errorCodes,
  isAlreadyExists,
  isConflict,
  isExpired,
  isNotFound,
  LeadershipLostError,
  NotControlledError,
  NotLeaderError,
  TerminalError,
} from "./errors.ts";

test("every class is in the catalogue under the code of its objects", async () => {
  const source = await readFile(new URL("errors.ts", import.meta.url), "utf8");
  const classes = [...source.matchAll(/^export class (\w+)/gm)].map(([, name]) => name);
  expect(new Set(Object.values(errorCodes).map(({ name }) => name))).toEqual(new Set(classes));
  const samples = [
    new ApiError("get Thing", 500, {}),
    new ConnectionError("a"),
    new AnswerTooLargeError("get Thing", 5),
    new TerminalError("a"),
    new ConflictError("a"),
    new NotControlledError("Thing a", undefined),
    new NotLeaderError("patch Thing a"),
    new LeadershipLostError("ns/a", "gone"),
  ];
  for (const sample of samples) {
    expect(errorCodes[sample.code]).toBe(sample.constructor);
    expect(sample.name).toBe(sample.constructor.name);
  }
  expect(new Set(samples.map(({ code }) => code)).size).toBe(classes.length);
});

describe("questions", () => {
  const api = (status: number, reason: string): Error => new ApiError("get Thing", status, { reason });
  test.each([
    { error: api(404, "NotFound"), yes: ["isNotFound"] },
    { error: api(409, "Conflict"), yes: ["isConflict"] },
    { error: api(409, "AlreadyExists"), yes: ["isConflict", "isAlreadyExists"] },
    { error: api(410, "Expired"), yes: ["isExpired"] },
    { error: new ConflictError("behind"), yes: ["isConflict"] },
    { error: new TerminalError("never"), yes: [] },
    { error: api(500, "InternalError"), yes: [] },
    { error: undefined, yes: [] },
  ])("$error answers $yes", ({ error, yes }) => {
    const questions = { isNotFound, isConflict, isAlreadyExists, isExpired };
    const answers = Object.entries(questions).flatMap(([name, question]) => (question(error) ? [name] : []));
    expect(answers).toEqual(yes);
  });

  test("a stranger's object is named with what to do", () => {
    expect(new NotControlledError("Deployment ns/a", "Rollout b").message).toBe(
      "Deployment ns/a exists and is controlled by Rollout b: delete or rename it, or give the new object another name",
    );
    expect(new NotControlledError("Deployment ns/a", undefined).message).toContain("controlled by nobody");
  });
});
