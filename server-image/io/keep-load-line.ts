// The load line of a replica: computed once it is known how the model is run, then kept true by what all threads see.

import type { Log } from "../log.ts";
import { PROTOCOLS } from "../metrics.ts";
import { computeLoadLine, LoadLine, type Saturation } from "../models/load-line.ts";
import { LoadLineWatch } from "../models/load-line-watch.ts";
import type { LoadedModel } from "../models/load-model.ts";
import type { ThreadBoard } from "./thread-board.ts";

export interface KeepLoadLineOptions {
  readonly loaded: Pick<LoadedModel, "plan" | "calibration">;
  /** CPU seconds of an I/O thread per request, by protocol. */
  readonly ioCpuSeconds: Readonly<Record<string, number>>;
  readonly saturation: Saturation | undefined;
  /** CPUs that the process may use, fractions included. */
  readonly cpus: number;
  readonly board: ThreadBoard;
  /** Since when requests have been waiting without a break, in milliseconds since 1970; undefined: none waits. */
  readonly backlogSince: () => number | undefined;
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
  readonly log: Log;
}

const INTERVAL_MS = 1000;

/** The line, and the function that ends its correction. */
export function keepLoadLine(options: KeepLoadLineOptions): { readonly loadLine: LoadLine; readonly end: () => void } {
  const { loaded, ioCpuSeconds, saturation, cpus, board, backlogSince, wallClock, log } = options;
  const { plan, calibration } = loaded;
  const loadLine = new LoadLine(
    computeLoadLine({
      rowsPerSecond: plan.inline ? undefined : calibration.rowsPerSecond,
      cpuSecondsPerRow: plan.inline ? 0 : (calibration.cpuSecondsPerRow ?? 0),
      ioCpuSeconds,
      saturation,
      ioThreads: plan.ioThreads,
      cpus,
    }),
  );
  log.info({ requestsPerSecond: Object.fromEntries(loadLine.entries) }, "load line");
  const watch = new LoadLineWatch({
    loadLine,
    saturatedSinceMs: () => backlogSince() ?? board.saturatedSince(),
    answered: () => Object.fromEntries(PROTOCOLS.map((protocol) => [protocol, board.answered(protocol)])),
    clock: wallClock,
  });
  const timer = setInterval(() => watch.tick(), INTERVAL_MS);
  timer.unref();
  return { loadLine, end: () => clearInterval(timer) };
}
