// Lets a thread that computes stand back behind the threads that do I/O, which need little but need it at once.

import { readlinkSync } from "node:fs";
import { setPriority } from "node:os";

/** Of `nice`: about a third of the weight of a thread that is not lowered. */
const LOWER = 5;

/**
 * Lowers the calling thread, and with it all that it starts from then on. Without it, on CPUs that are busy with runs,
 * a request may wait milliseconds until it is even read. Returns why it could not be done; that costs latency only.
 */
export function lowerThisThread(): string | undefined {
  try {
    // "PID/task/TID"; Linux sets the priority of the one thread that has this number.
    const thread = Number(readlinkSync("/proc/thread-self").split("/").at(-1));
    setPriority(thread, LOWER);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
