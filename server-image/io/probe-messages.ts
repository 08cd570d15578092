// What the calibration of the I/O and its client thread say to each other.

/** Given to the client at its start; it says "open" when all connections are there. */
export interface ProbeClientSettings {
  readonly port: number;
  readonly connections: number;
}

/** Asks for one stretch of requests; "end" ends the thread. */
export interface ProbeCommand {
  /** The whole request, HTTP head included. */
  readonly bytes: Uint8Array;
  /** Answers that come so early say nothing of the pace. */
  readonly warmUpMs: number;
  /** After the warm-up. */
  readonly milliseconds: number;
}

/** Of the whole stretch, warm-up and last answers included, but for `steady`. */
export interface ProbeReport {
  readonly answered: number;
  /** Of the answered ones, those with another status than 200. */
  readonly failed: number;
  /** Of the client's thread. */
  readonly cpuSeconds: number;
  /** Between warm-up and end; undefined where too few answers came. */
  readonly steady: ProbePace | undefined;
}

export interface ProbePace {
  readonly perSecond: number;
  /** Of one CPU, that the client's thread took. */
  readonly cpuShare: number;
}
