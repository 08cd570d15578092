// A log line: what is in it, and which lines there are.

import { expect, test } from "vitest";
import { createLogger, type LogLevel, logLevels } from "./logger.ts";

function linesOf(level: LogLevel, write: (logger: ReturnType<typeof createLogger>) => void): Record<string, unknown>[] {
  const lines: string[] = [];
  write(createLogger(level, { write: (line) => void lines.push(line) }));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

test("a line is one JSON object: level, time, fields and a constant message", () => {
  const [line] = linesOf("info", (logger) => logger.info({ namespace: "vision", replicas: 3 }, "replicas changed"));
  expect(line).toEqual({
    level: "info",
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    namespace: "vision",
    replicas: 3,
    msg: "replicas changed",
  });
});

test("an error under err keeps its message, its code, its stack and its cause", () => {
  const cause = new Error("connection refused");
  const err = Object.assign(new Error("no answer", { cause }), { code: "CONNECTION_ERROR" });
  const [line] = linesOf("info", (logger) => logger.error({ err }, "tick failed"));
  expect(line?.["err"]).toMatchObject({
    message: expect.stringContaining("no answer"),
    code: "CONNECTION_ERROR",
    stack: expect.stringContaining("connection refused"),
  });
});

test("a child carries its fields into each line", () => {
  const [line] = linesOf("info", (logger) => logger.child({ controller: "inferenceservice" }).info({}, "started"));
  expect(line).toMatchObject({ controller: "inferenceservice", msg: "started" });
});

test.each(logLevels.map((level, index) => [level, logLevels.slice(index)] as const))(
  "level %s writes %s",
  (level, written) => {
    const lines = linesOf(level, (logger) => {
      for (const each of logLevels) logger[each]({}, each);
    });
    expect(lines.map(({ msg }) => msg)).toEqual(written);
  },
);
