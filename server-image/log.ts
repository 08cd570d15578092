// The logger: JSON lines with constant messages and fields.

import { type Logger, pino } from "pino";

/** What the modules are given: fields first, then a constant message. */
export type Log = Pick<Logger, "debug" | "info" | "warn" | "error" | "fatal">;

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const STDOUT = 1;

/** Writes to stdout synchronously, so that the last line before a SIGKILL is not lost. */
export function createLog(level: LogLevel): Log {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return pino(options, pino.destination({ dest: STDOUT, sync: true }));
}
