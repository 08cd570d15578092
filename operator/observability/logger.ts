// The log: JSON lines with constant messages, the circumstances in fields.

import { type DestinationStream, type Logger, pino, stdTimeFunctions } from "pino";

export type { Logger } from "pino";

export const logLevels = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof logLevels)[number];

/** A name is read by people and machines alike; a number only by pino. */
function levelName(label: string) {
  return { level: label };
}

/** info: something changed. debug: what decisions were made from. Errors go under `err`. */
export function createLogger(level: LogLevel, destination?: DestinationStream): Logger {
  const options = { level, base: null, timestamp: stdTimeFunctions.isoTime, formatters: { level: levelName } };
  return destination === undefined ? pino(options) : pino(options, destination);
}
