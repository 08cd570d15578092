// What the calibration's measurements and their client thread say to each other.

/** Where requests go, and over how many connections. */
export interface ProbeTarget {
  readonly kind: "http" | "grpc";
  readonly port: number;
  readonly connections: number;
}

/** One stretch of requests to a target that was opened before. */
export interface ProbeCommand {
  /** The whole HTTP request, head included, or the message of a gRPC call. */
  readonly bytes: Uint8Array;
  /** Answers that come so early say nothing of the pace. */
  readonly warmUpMs: number;
  /** After the warm-up. */
  readonly milliseconds: number;
}

/** Asked of the thread, one after the other; each but "end", which ends the thread, is answered by one message. */
export type ProbeMessage =
  | { readonly open: ProbeTarget }
  | (ProbeCommand & { readonly port: ProbeTarget["port"] })
  | "end";

/** Of the whole stretch, warm-up and last answers included, but for `steady`. */
export interface ProbeReport {
  readonly answered: number;
  /** Of the answered ones, those with another status than 200 or OK. */
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
