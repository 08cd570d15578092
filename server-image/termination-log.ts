// Leaves the reason of a failure where Kubernetes picks it up: the container's termination message.

import { closeSync, constants, openSync, writeSync } from "node:fs";

/** Why the process ends; `phase` is a load phase, `start`, `run` or `stop`. */
export interface TerminationReason {
  readonly code: string;
  readonly message: string;
  readonly phase: string;
}

/** The kubelet keeps 4096 bytes; the JSON must survive whole. */
const MAX_MESSAGE_CHARACTERS = 1000;

/**
 * Writes one JSON object. False when the file does not exist: the kubelet makes it, and outside Kubernetes nobody reads
 * it, so none is made. Synchronous: the process may end right after.
 */
export function writeTerminationLog(file: string, reason: TerminationReason): boolean {
  const message = reason.message.slice(0, MAX_MESSAGE_CHARACTERS);
  try {
    const descriptor = openSync(file, constants.O_WRONLY | constants.O_TRUNC);
    writeSync(descriptor, `${JSON.stringify({ code: reason.code, message, phase: reason.phase })}\n`);
    closeSync(descriptor);
    return true;
  } catch {
    return false;
  }
}
