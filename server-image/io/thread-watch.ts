// Each second, writes on the board what an I/O thread has answered and whether its event loop is at its limit.

import { type EventLoopUtilization, performance } from "node:perf_hooks";

import { type Metrics, PROTOCOLS } from "../metrics.ts";
import type { ThreadBoard } from "./thread-board.ts";

const INTERVAL_MS = 1000;

/** Share of the time in which the event loop had something to do. */
const SATURATED = 0.97;

/** Returns the function that ends it. */
export function watchThread(
  board: ThreadBoard,
  thread: number,
  metrics: Pick<Metrics, "answered">,
  wallClock: () => number,
): () => void {
  let before: EventLoopUtilization = performance.eventLoopUtilization();
  let since: number | undefined;
  const timer = setInterval(() => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    since = utilization < SATURATED ? undefined : (since ?? wallClock() - INTERVAL_MS);
    board.setSaturatedSince(thread, since);
    for (const protocol of PROTOCOLS) {
      board.setAnswered(thread, protocol, metrics.answered(protocol));
    }
  }, INTERVAL_MS);
  timer.unref();
  return () => clearInterval(timer);
}
